"""Texts of any length in passages, the unit that language models are trained on and measured by.

A passage ends where a line does, where there are lines, so that it has the tokens that it has in
the whole text. It knows the text before it: a model reads that again as context, and no token
is predicted twice. Passages of one document never have the text of another before them.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from anysize.core.errors import DataError
from anysize.core.progress import counted
from anysize.core.records import Record, Source, TextField, record_id
from anysize.sources.conversations import Conversation, Conversations

if TYPE_CHECKING:
    from anysize.sources.columns import ColumnSpec

PASSAGE = 2048
"""Characters of a passage, about; a character that is not ASCII counts for two."""

BEFORE = "before"
"""Role of the text before a passage, where there is any."""

CONTINUES = "continues"
"""Value of a record whose text goes on after it."""

_CONTEXT = 1 << 16  # characters of the text before a passage that can be read
_PIECE = 1 << 16
_HELD = 64
# A line begins with a character of its own, or one blank before that, as in Penn Treebank: more
# blanks would be one token with the end of the line before.
_LINE = re.compile(r"\n(?=[^\s]|[ ][^\s])")
_SENTENCE = re.compile(r"(?<=[.!?])(?=\s\S)|(?<=[。！？])")
_WORD = re.compile(r"(?<=\S)(?=\s\S)")
# Articles of WikiText begin with such a line; their sections have two or more signs.
_HEADING = re.compile(r"^ = [^=\n].*[^=\s] = ?\n", re.MULTILINE)


def in_passages(source: Source, roles: Sequence[ColumnSpec]) -> Source:
    """A source whose texts are cut into passages, where a column asks for it.

    Conversations, where the column may be one, are left whole.
    """
    asked = [spec for spec in roles if spec.passages]
    if not asked or isinstance(source, Passages):
        return source
    if asked[0].unless:
        source = Conversations(source, asked[0].role)
    return Passages(source, asked[0].role)


class Passages:
    """The passages of a source's texts, in order.

    Args:
        inner: the texts; they are read once to find where passages end.
        role: of the text.
        size: characters of a passage, about.
    """

    def __init__(self, inner: Source, role: str, size: int = PASSAGE) -> None:
        self.name = inner.name
        self._inner, self._role, self._size = inner, role, size
        self._records, self._starts, self._stops, self._documents = (
            array("Q"), array("Q"), array("Q"), array("Q"),
        )  # fmt: skip
        self._held: OrderedDict[int, Record] = OrderedDict()
        self._lock = threading.Lock()
        indices = range(len(inner))
        for index in counted(indices, f"finding passages in {inner.name}", len(inner)):
            for start, stop, document in self._found(index):
                for column, value in (
                    (self._records, index),
                    (self._starts, start),
                    (self._stops, stop),
                    (self._documents, document),
                ):
                    column.append(value)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        whole = self._record(self._records[index])
        start, stop, document = (
            each[index] for each in (self._starts, self._stops, self._documents)
        )
        first = index == 0 or self._records[index - 1] != self._records[index]
        last = index + 1 == len(self) or self._records[index + 1] != self._records[index]
        if first and last:
            return whole
        text = whole.text(self._role)
        fields = {**whole.fields, self._role: Part(text, start, stop)}
        if start > document:
            fields[BEFORE] = Part(text, max(document, start - _CONTEXT), start)
        values = dict(whole.values)
        if not last and self._documents[index + 1] == document:
            values[CONTINUES] = "yes"
        return replace(whole, id=self.record_id(index), fields=fields, values=values)

    def record_id(self, index: int) -> str:
        """The text's own id and the place of the passage's first character in it."""
        name = record_id(self._inner, self._records[index])
        return f"{name}@{self._starts[index]}" if self._several(index) else name

    def fingerprint(self) -> str:
        """As that of the texts."""
        return self._inner.fingerprint()

    def _several(self, index: int) -> bool:
        own = self._records[index]
        near = [each for each in (index - 1, index + 1) if 0 <= each < len(self)]
        return any(self._records[each] == own for each in near)

    def _record(self, index: int) -> Record:
        """A record; the last few are kept, with the places that reading has marked in them."""
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
                return self._held[index]
        found = self._inner[index]
        with self._lock:
            self._held[index] = found
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        return found

    def _found(self, index: int) -> Iterator[tuple[int, int, int]]:
        """First and last character of each passage, and where its document begins."""
        try:
            text = self._record(index).text(self._role)
            if isinstance(text, Conversation):
                yield 0, 0, 0
                return
            yield from passages_of(text.chunks(), self._size)
        except DataError:
            yield 0, 0, 0  # reading it says why


def passages_of(chunks: Iterator[str], size: int = PASSAGE) -> Iterator[tuple[int, int, int]]:
    """``(start, stop, document)`` of each passage of a text, in characters.

    They cover the text; one that is empty has one, too.

    Args:
        chunks: the text as a stream.
        size: characters of a passage, about; at most four times as many.
    """
    held, start, document, ended = "", 0, 0, False
    while not ended:
        while len(held) <= 4 * size and not ended:
            chunk = next(chunks, None)
            ended = chunk is None
            held += chunk or ""
        while held and (len(held) > 4 * size or ended):
            stop, begins = _cut(held, size)
            yield start, start + stop, document
            held, start = held[stop:], start + stop
            document = start if begins else document
    if start == 0:
        yield 0, 0, 0


def _cut(text: str, size: int) -> tuple[int, bool]:
    """Where the first passage of a text ends, and whether another document begins there."""
    size = size if text[:size].isascii() else size // 2
    heading = _HEADING.search(text, 1, 4 * size)
    # What is before the first heading belongs to it.
    if heading is not None and not text[: heading.start()].strip():
        heading = _HEADING.search(text, heading.end(), 4 * size)
    limit = min(len(text), 4 * size) if heading is None else heading.start()
    if limit <= size + size // 4:
        return limit, heading is not None
    for border in (_LINE, _SENTENCE, _WORD):
        places = (found.end() for found in border.finditer(text, size // 2, limit))
        best = min(places, key=lambda place: abs(place - size), default=limit)
        if best < min(limit, 3 * size):
            return best, False
    return (limit, heading is not None) if limit <= 2 * size else (size, False)


class Part:
    """A stretch of a text, read when it is asked for.

    Args:
        whole: the text.
        start: its first character.
        stop: the one after its last.
    """

    def __init__(self, whole: TextField, start: int, stop: int) -> None:
        self._whole, self._start, self._stop = whole, start, stop

    @property
    def origin(self) -> str:
        """That of the whole text."""
        return self._whole.origin

    @property
    def size_hint(self) -> int:
        """Its length in characters."""
        return self._stop - self._start

    def chunks(self) -> Iterator[str]:
        """The stretch in order; see ``core.records.TextField``."""
        for start in range(self._start, self._stop, _PIECE):
            yield self._whole.read(start, min(start + _PIECE, self._stop))

    def read(self, start: int, stop: int) -> str:
        """Characters ``[start, stop)`` of the stretch."""
        if start < 0 or stop < start:
            raise ValueError(f"need 0 <= start <= stop, not start={start}, stop={stop}")
        end = min(self._start + stop, self._stop)
        return self._whole.read(min(self._start + start, end), end)
