"""Finds where the rows of a text table begin, in one streaming pass.

Quoting follows RFC 4180 as Python's ``csv`` module reads it: a quote opens a cell only at the
cell's beginning, two quotes inside one stand for a quote, and a quote elsewhere is an ordinary
character. Whether a line end is inside a quoted cell is the parity of the quotes before it, once
ordinary quotes are taken out; both are found with whole-array operations, and only blocks that
hold ordinary quotes are walked quote by quote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 22
_LINE, _RETURN, _QUOTE = 10, 13, 34
_BLANK = (9, 32)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How rows are told apart.

    Attributes:
        delimiter: between cells; empty where rows are not cells (JSON Lines).
        quoting: whether cells may be quoted, line ends inside included. With quoting a carriage
            return alone ends a row too; without, only a line feed does.
        spaces: whether a line of nothing but spaces is blank, and so no row.
    """

    delimiter: str
    quoting: bool
    spaces: bool = False


class RowScanner:
    """One pass over a file; after it, ``unclosed`` is the place of a quote left open, or None.

    Args:
        dialect: how rows are told apart.
        start: where the first row begins (behind a byte order mark).
        block: bytes read at a time.
    """

    def __init__(self, dialect: Dialect, start: int = 0, block: int = BLOCK) -> None:
        self.unclosed: int | None = None
        self._dialect = dialect
        self._delimiter = ord(dialect.delimiter) if dialect.delimiter else -1
        self._start = start
        self._block = block
        self._row = start
        self._inside = False
        self._opened = -1
        self._closed = -2
        self._previous = _LINE

    def starts(self, file: BinaryIO) -> Iterator[NDArray[np.uint64]]:
        """Starts of the rows that are not blank, in order, and in the last array the file's end.

        A row lasts to the next one's start, so blank lines stand at the end of rows.
        """
        file.seek(self._start)
        base = self._start
        carry = b""
        while True:
            data = file.read(self._block)
            buffer = carry + data if carry else data
            if data and buffer.endswith(b"\r"):
                # What it means depends on the next byte.
                carry, buffer = b"\r", buffer[:-1]
            else:
                carry = b""
            if buffer:
                yield self._rows(buffer, base)
                base += len(buffer)
                self._previous = buffer[-1]
            if not data:
                break
        if self._inside:
            self.unclosed = self._opened
        if self._row < base and not self._blank_tail(file, base):
            yield np.array([self._row], dtype=np.uint64)
        yield np.array([base], dtype=np.uint64)

    def _rows(self, buffer: bytes, base: int) -> NDArray[np.uint64]:
        array = np.frombuffer(buffer, dtype=np.uint8)
        ends = np.flatnonzero(array == _LINE)
        if self._dialect.quoting:
            if b"\r" in buffer:
                returns = np.flatnonzero(array == _RETURN)
                follows = np.append(array[1:], 0)[returns]
                ends = np.union1d(ends, returns[follows != _LINE])
            if self._inside or b'"' in buffer:
                inside = self._inside
                toggles = self._toggles(array, base)
                ends = ends[((np.searchsorted(toggles, ends) + inside) & 1) == 0]
        if not len(ends):
            return np.empty(0, dtype=np.uint64)
        starts = np.empty(len(ends), dtype=np.int64)
        starts[0] = self._row - base
        starts[1:] = ends[:-1] + 1
        sizes = ends - starts
        # A row that began before the buffer did not begin with a carriage return: that is carried.
        first = np.where(starts >= 0, array[np.maximum(starts, 0)], 0)
        blank = (sizes == 0) | ((sizes == 1) & (first == _RETURN))
        if self._dialect.spaces:
            for place in np.flatnonzero((first == _BLANK[0]) | (first == _BLANK[1])):
                if not buffer[starts[place] : ends[place]].strip():
                    blank[place] = True
        self._row = base + int(ends[-1]) + 1
        rows: NDArray[np.uint64] = (starts[~blank] + base).astype(np.uint64)
        return rows

    def _toggles(self, array: NDArray[np.uint8], base: int) -> NDArray[np.int64]:
        """Places of the quotes that open or close a cell; moves the state to the block's end."""
        quotes = np.flatnonzero(array == _QUOTE)
        if not len(quotes):
            return quotes
        before = array[quotes - 1]
        if quotes[0] == 0:
            before[0] = self._previous
        may_open = (before == self._delimiter) | (before == _LINE) | (before == _RETURN)
        # A quote straight behind a closing one opens the cell again: together they are one
        # quote of its content.
        behind = np.empty(len(quotes), dtype=bool)
        behind[0] = self._closed == base + quotes[0] - 1
        behind[1:] = quotes[1:] - quotes[:-1] == 1
        opening = slice(int(self._inside), None, 2)
        if not (may_open | behind)[opening].all():
            return self._walk(quotes, may_open, base)
        cells = quotes[opening][~behind[opening]]
        if len(cells):
            self._opened = base + int(cells[-1])
        self._inside = bool((len(quotes) + self._inside) & 1)
        if not self._inside:
            self._closed = base + int(quotes[-1])
        return quotes

    def _walk(
        self, quotes: NDArray[np.int64], may_open: NDArray[np.bool_], base: int
    ) -> NDArray[np.int64]:
        kept: list[int] = []
        closed = self._closed - base
        for quote, may in zip(quotes.tolist(), may_open.tolist(), strict=True):
            if self._inside:
                self._inside = False
                closed = quote
            elif closed == quote - 1:
                self._inside = True
            elif may:
                self._inside = True
                self._opened = base + quote
            else:
                continue
            kept.append(quote)
        self._closed = base + closed
        return np.array(kept, dtype=np.int64)

    def _blank_tail(self, file: BinaryIO, end: int) -> bool:
        if end - self._row > 4096:
            return False
        file.seek(self._row)
        tail = file.read(end - self._row)
        return tail == b"\r" or (self._dialect.spaces and not tail.strip())
