"""Penn Treebank with brackets (``.mrg``): the words of its trees, one sentence a line.

Traces (``-NONE-``) are left out: nobody wrote them. Brackets in the text are ``-LRB-`` and its
like, as in the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from anysize import modalities
from anysize.core.errors import DataError
from anysize.core.records import Record, Source
from anysize.readers.text import Text
from anysize.sources.columns import Request
from anysize.sources.digests import digest_of_files
from anysize.sources.files import file_content, refuse_targets_missing

PROVIDES = ("mrg",)

_PIECE = re.compile(r"[()]|[^\s()]+")
_TRACE = "-NONE-"
_PART = 1 << 16


def open_path(path: Path, request: Request) -> Source:
    """Opens a file of trees; all of its sentences are one record.

    Raises:
        DataError: the task reads no text, or needs more than a text.
    """
    content = file_content(str(path), request)
    if not modalities.load(content.kind).strings:
        raise DataError(str(path), "a .mrg file has sentences, and the task reads no text")
    refuse_targets_missing(str(path), request)
    return TreesSource(path, content.role, request)


class TreesSource:
    """One record: the sentences of a file of trees.

    Args:
        path: the file.
        role: of the text.
        request: encoding, and what ids are relative to.
    """

    def __init__(self, path: Path, role: str, request: Request) -> None:
        self.name = str(path)
        self._path, self._role = path, role
        self._id = request.named(path)
        self._text = TreeText(Text(path, encoding=request.encoding))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Record:
        if index != 0:
            raise IndexError(f"record {index} of 1 in {self.name}")
        return Record(id=self._id, fields={self._role: self._text})

    def fingerprint(self) -> str:
        """Changes with the file's size, time and content."""
        status = self._path.stat()
        facts = f"{status.st_size}\0{status.st_mtime_ns}\0{digest_of_files([self._path])}"
        return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


class TreeText:
    """The words of trees as a text.

    Args:
        trees: with brackets.
    """

    def __init__(self, trees: Text) -> None:
        self._trees = trees

    @property
    def origin(self) -> str:
        """The file."""
        return self._trees.origin

    @property
    def size_hint(self) -> int:
        """An upper bound of its length: the trees have the words and more."""
        return self._trees.size_hint

    def chunks(self) -> Iterator[str]:
        """The sentences, each with a line end behind it; see ``core.records.TextField``.

        Raises:
            DataError: brackets that do not match.
        """
        held: list[str] = []
        size = 0
        for sentence in self._sentences():
            held.append(sentence)
            size += len(sentence)
            if size >= _PART:
                yield "".join(held)
                held, size = [], 0
        if held:
            yield "".join(held)

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)``; the trees before them are read again."""
        if start < 0 or stop < start:
            raise ValueError(f"need 0 <= start <= stop, not start={start}, stop={stop}")
        parts, at = [], 0
        for chunk in self.chunks():
            if at >= stop:
                break
            parts.append(chunk[max(start - at, 0) : max(stop - at, 0)])
            at += len(chunk)
        return "".join(parts)

    def _sentences(self) -> Iterator[str]:
        words: list[str] = []
        leaf: list[str] = []  # what is in the innermost bracket: its tag, then its word
        depth = 0
        for piece in self._pieces():
            if piece == "(":
                depth, leaf = depth + 1, []
            elif piece == ")":
                depth -= 1
                if depth < 0:
                    raise DataError(
                        self.origin, "is not a file of trees: it closes what is not open"
                    )
                if len(leaf) == 2 and leaf[0] != _TRACE:
                    words.append(leaf[1])
                leaf = []
                if not depth and words:
                    yield " ".join(words) + "\n"
                    words = []
            else:
                leaf.append(piece)
        if depth:
            raise DataError(self.origin, f"is not a file of trees: {depth} brackets are left open")

    def _pieces(self) -> Iterator[str]:
        """Brackets and words, wherever the chunks of the file end."""
        rest = ""
        for chunk in self._trees.chunks():
            text = rest + chunk
            found = list(_PIECE.finditer(text))
            rest = ""
            if found and found[-1].end() == len(text) and text[-1] not in "()":
                rest = found.pop().group()  # it may go on
            yield from (piece.group() for piece in found)
        if rest:
            yield rest
