"""Words with tags in columns, a blank line between sentences (CoNLL-2003 and its like).

The first column holds the word and the last one its tag, divided by tabs or blanks; ``--columns
tags=4`` names another one by its number. Lines with ``-DOCSTART-`` and comments (``#`` before the
first word of a sentence) hold no words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Record, Source
from anysize.readers.encodings import advice
from anysize.readers.text import Text
from anysize.sources.bounded import BoundedRecords
from anysize.sources.columns import Request

PROVIDES = ("conll", "iob", "iob2", "bio", "bioes")

_TAGS = "tags"
_NO_WORDS = b"-DOCSTART-"


def open_path(path: Path, request: Request) -> Source:
    """Opens a file of words with tags; a sentence is a record.

    Raises:
        DataError: it holds no sentence, or the task reads no tags.
        ConfigurationError: ``--columns`` names a column by something else than its number.
    """
    roles = {spec.role for spec in request.roles}
    if _TAGS not in roles:
        raise DataError(
            str(path), f"a .{path.suffix[1:]} file has a tag for each word: it is for "
            "token-classification"
        )  # fmt: skip
    columns = {"text": 0, _TAGS: -1}
    for role, name in request.columns.items():
        if not name.isdecimal() or not 0 < int(name) < 100:
            raise ConfigurationError(
                f"--columns {role}={name}: a column of {path.name} has a number, from 1"
            )
        columns[role] = int(name) - 1
    return WordsSource(path, request, columns["text"], columns[_TAGS])


class WordsSource(BoundedRecords):
    """The sentences of a file, one record each; what is held are their places in it.

    A record's target is the list of its tags as JSON.

    Args:
        path: the file.
        request: its encoding, and what ids are relative to.
        word: place of the column of words.
        tag: place of the column of tags, -1 for the last.

    Raises:
        DataError: there is no sentence.
    """

    target_role = _TAGS

    def __init__(self, path: Path, request: Request, word: int, tag: int) -> None:
        self._encoding = request.encoding
        self._word, self._tag = word, tag
        with path.open("rb") as file:
            bounds = _sentences(file)
        if not len(bounds):
            raise DataError(str(path), "has no line with a word and a tag")
        super().__init__(path, request, bounds, "sentence")

    @property
    def roles(self) -> dict[str, str]:
        """Role to column, for messages."""
        return {"text": str(self._word + 1), _TAGS: "last" if self._tag < 0 else str(self._tag + 1)}

    def settings(self) -> str:
        return f"{self._word}\0{self._tag}"

    def __getitem__(self, index: int) -> Record:
        raw, origin = self.raw(index), self.record_id(index)
        try:
            lines = raw.decode(self._encoding).splitlines()
        except UnicodeDecodeError as error:
            raise DataError(
                origin,
                f"cannot be decoded as {self._encoding}: {error.reason} at byte "
                f"{self._bounds[index][0] + error.start}; {advice(raw, self._encoding)}",
            ) from None
        words, tags = self._columns(lines, origin)
        text = Text(" ".join(words), origin)
        return Record(id=origin, fields={"text": text}, target=json.dumps(tags, ensure_ascii=False))

    def _columns(self, lines: Sequence[str], origin: str) -> tuple[list[str], list[str]]:
        words: list[str] = []
        tags: list[str] = []
        for line in lines:
            if not words and line.startswith("#"):
                continue
            cells = line.split("\t") if "\t" in line else line.split()
            if max(self._word, self._tag, 1) >= len(cells):
                raise DataError(
                    origin,
                    f"a line has {len(cells)} columns, and a word and a tag are needed: "
                    f"{line[:80]!r}",
                )
            # A word is what blanks divide the text into.
            words.append("_".join(cells[self._word].split()) or "_")
            tags.append(cells[self._tag].strip())
        return words, tags


def _sentences(lines: Iterator[bytes]) -> NDArray[np.int64]:
    """Where the sentences of a file begin and end, int64 ``[sentences, 2]``."""
    bounds: list[NDArray[np.int64]] = []
    held: list[tuple[int, int]] = []
    place, begin, comments = 0, -1, True
    for line in lines:
        blank = not line.strip() or line.startswith(_NO_WORDS)
        if not blank and begin < 0:
            begin, comments = place, True
        comments = comments and line.startswith(b"#")
        if blank and begin >= 0:
            if not comments:
                held.append((begin, place))
            begin = -1
        place += len(line)
        if len(held) == 1 << 16:
            bounds.append(np.array(held, np.int64))
            held.clear()
    if begin >= 0 and not comments:
        held.append((begin, place))
    return np.concatenate([*bounds, np.array(held, np.int64).reshape(-1, 2)])
