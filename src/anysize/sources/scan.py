"""Finds where the rows of a text table begin, in one streaming pass.

Quoting follows RFC 4180 as Python's ``csv`` module reads it: a quote opens a cell only at the
cell's beginning, two quotes inside one are one quote, and a quote elsewhere is an ordinary
character. Whether a line end is inside a quoted cell is the parity of the quotes before it, once
ordinary quotes are taken out; both are found with whole-array operations, and only blocks that
hold ordinary quotes are walked quote by quote.

A quote that is found to be stray (``sources.quotes``) is taken out too: from its row on the file is
read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from anysize.sources.tables.dialect import Dialect, Judge, Repairs
from anysize.sources.tables.toggles import QuoteState, QuoteTracker

BLOCK = 1 << 22
_LINE, _RETURN, _QUOTE, _MARK = 10, 13, 34, 0xEF
_BLANK = (9, 32)
RESTART = 1 << 16
_LOOKED_AT = 256
_EXAMPLES = 5
_TAIL = 256

_NONE = np.empty(0, dtype=np.uint64)


@dataclass(kw_only=True)
class _State(QuoteState):
    """What is known at the end of a block.

    Attributes:
        row: where the row begins that is not ended yet.
        hidden: line ends so far of the cell that is open.
        begun: the first bytes of the row.
    """

    row: int
    hidden: int = 0
    begun: bytes = b""


class RowScanner:
    """One pass over a file; after it, ``unclosed`` is the place of a quote left open, or None.

    Args:
        dialect: how rows are separated.
        start: where the first row begins (behind a byte order mark).
        block: bytes read at a time.
        header: bytes of the first row without its line end, where it is a header; the same line
            again is no row.
        judge: says which quotes are stray; without one, all are as RFC 4180 says.
    """

    def __init__(
        self,
        dialect: Dialect,
        start: int = 0,
        block: int = BLOCK,
        *,
        header: bytes = b"",
        judge: Judge | None = None,
    ) -> None:
        self.unclosed: int | None = None
        self.repairs = Repairs()
        self._dialect = dialect
        self._tracker = QuoteTracker(dialect)
        self._start = start
        self._block = block
        self._header = header
        self._judge = judge
        self._state = _State(row=start)
        self._count = 0
        self._looked = 0
        self._usual = 0
        self._closing: int | None = None

    def starts(self, file: BinaryIO) -> Iterator[NDArray[np.uint64]]:
        """Starts of the rows that are not blank, in order, and in the last array the file's end.

        A row lasts to the next one's start, so blank lines are at the end of rows.
        """
        file.seek(self._start)
        base, carry, size = self._start, b"", self._block
        while True:
            data = file.read(size)
            buffer = carry + data if carry else data
            if data and buffer.endswith(b"\r"):
                # What it means depends on the next byte.
                carry, buffer = b"\r", buffer[:-1]
            else:
                carry = b""
            before = replace(self._state)
            rows, stray = self._rows(buffer, base, file)
            if stray is None and not data and self._ends_open(file, len(rows)):
                stray = self._state.row
            if stray is None:
                yield self._counted(rows)
                base += len(buffer)
                size = min(4 * size, self._block)
                if not data:
                    break
                continue
            # From the quote's row on the file is read again, with the quote as a character.
            if stray > base:
                self._state = before
                yield self._counted(self._rows(buffer[: stray - base], base, None)[0])
            self._state = _State(row=stray)
            base, carry, size = stray, b"", min(RESTART, self._block)
            file.seek(base)
        if self._state.inside:
            self.unclosed = self._state.opened
        if self._state.row < base and not self._no_row(file, base):
            yield np.array([self._state.row], dtype=np.uint64)
        yield np.array([base], dtype=np.uint64)

    def _counted(self, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
        self._count += len(rows)
        return rows

    def _rows(
        self, buffer: bytes, base: int, file: BinaryIO | None
    ) -> tuple[NDArray[np.uint64], int | None]:
        """Starts of the rows that end in a block, or the row of a quote that is found to be stray.

        Without a file no quotes are judged.
        """
        if not buffer:
            return _NONE, None
        state = self._state
        array = np.frombuffer(buffer, dtype=np.uint8)
        ends = np.flatnonzero(array == _LINE)
        if self._dialect.quoting:
            if b"\r" in buffer:
                returns = np.flatnonzero(array == _RETURN)
                follows = np.append(array[1:], 0)[returns]
                ends = np.union1d(ends, returns[follows != _LINE])
            if state.inside or b'"' in buffer:
                before = replace(state)
                toggles = self._tracker.toggles(array, base, state)
                places = np.searchsorted(toggles, ends)
                outside = ((places + before.inside) & 1) == 0
                hidden = places[~outside]
                ends = ends[outside]
                if file is not None and self._judge is not None and (len(hidden) or before.hidden):
                    stray = self._find_stray(array, base, toggles, ends, hidden, before, file)
                    if stray is not None:
                        return _NONE, stray
                state.hidden = int(np.count_nonzero(hidden == len(toggles)))
                if not len(toggles):
                    state.hidden += before.hidden
        state.previous = buffer[-1]
        if self._dialect.blanks:
            state.previous = (buffer[-_TAIL:].rstrip(b" \t") or buffer)[-1]
        kept = len(self._header) + 8
        if not len(ends):
            state.begun = (state.begun + buffer[:kept])[:kept]
            return _NONE, None
        starts = np.empty(len(ends), dtype=np.int64)
        starts[0] = state.row - base
        starts[1:] = ends[:-1] + 1
        blank = self._blank(buffer, array, starts, ends)
        last = int(ends[-1]) + 1
        state.row, state.begun = base + last, buffer[last : last + kept]
        rows: NDArray[np.uint64] = (starts[~blank] + base).astype(np.uint64)
        return rows, None

    def _blank(
        self,
        buffer: bytes,
        array: NDArray[np.uint8],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Which rows of a block are none: blank lines, and the header again."""
        sizes = ends - starts
        # A row that began before the buffer did not begin with a carriage return: that is carried.
        first = np.where(starts >= 0, array[np.maximum(starts, 0)], 0)
        blank: NDArray[np.bool_] = (sizes == 0) | ((sizes == 1) & (first == _RETURN))
        if self._dialect.spaces:
            for found in np.flatnonzero((first == _BLANK[0]) | (first == _BLANK[1])):
                if not buffer[starts[found] : ends[found]].strip():
                    blank[found] = True
        if self._header:
            size = len(self._header)
            like = (sizes >= size) & (sizes <= size + 4)
            like &= (first == self._header[0]) | (first == _MARK) | (starts < 0)
            for place in np.flatnonzero(like).tolist():
                start, end = int(starts[place]), int(ends[place])
                line = buffer[max(start, 0) : end]
                if start < 0:
                    line = self._state.begun + line
                if line.rstrip(b"\r").removeprefix(b"\xef\xbb\xbf") == self._header:
                    row = self._count + place - int(blank[:place].sum())
                    blank[place] = self._again(row)
        return blank

    def _again(self, row: int) -> bool:
        """Notes the header at a row; False where that is the header itself."""
        if row > 0:
            self.repairs.headers += 1
            if len(self.repairs.headers_at) < _EXAMPLES:
                self.repairs.headers_at.append(row)
        return row > 0

    def _find_stray(
        self,
        array: NDArray[np.uint8],
        base: int,
        toggles: NDArray[np.int64],
        ends: NDArray[np.int64],
        hidden: NDArray[np.int64],
        before: _State,
        file: BinaryIO,
    ) -> int | None:
        """The row of the first stray quote whose cell of several lines is closed in a block.

        Args:
            array: the block.
            base: where it begins.
            toggles: quotes that open or close a cell.
            ends: line ends outside of cells.
            hidden: for each line end in a cell, the place in ``toggles`` of the quote behind it.
            before: what was known at the block's beginning.
            file: the table.
        """
        closers, counts = np.unique(hidden, return_counts=True)
        if before.hidden:
            if not len(closers) or closers[0] != 0:
                closers, counts = np.append(0, closers), np.append(0, counts)
            counts[0] += before.hidden
        done = closers < len(toggles)
        closers, counts = closers[done], counts[done]
        if self._looked >= _LOOKED_AT:
            # A closing quote with something else behind it, or a cell longer than usual.
            follows = array[np.minimum(toggles[closers] + 1, len(array) - 1)]
            odd = (follows != self._tracker.delimiter) & (follows != _LINE) & (follows != _RETURN)
            chosen = (odd & (follows != _QUOTE)) | (counts > 2 * self._usual)
            closers, counts = closers[chosen], counts[chosen]
        for closer, lines in zip(closers.tolist(), counts.tolist(), strict=True):
            opener = closer - 1
            while opener > 0 and toggles[opener - 1] == toggles[opener] - 1:
                opener -= 2
            while closer + 1 < len(toggles) and toggles[closer + 1] == toggles[closer] + 1:
                closer += 2
            if closer >= len(toggles):
                continue
            ended = int(np.searchsorted(ends, toggles[closer]))
            row = base + int(ends[ended - 1]) + 1 if ended else before.row
            opening = base + int(toggles[opener]) if opener >= 0 else before.opened
            closing = base + int(toggles[closer])
            if self._is_stray(file, row, opening, closing, lines):
                self._note(self._count + ended, opening, closing, lines)
                return row
        return None

    def _ends_open(self, file: BinaryIO, rows: int) -> bool:
        """Whether the file ends in a cell that a stray quote opens."""
        state = self._state
        if self._judge is None or not state.inside:
            return False
        if not self._is_stray(file, state.row, state.opened, None, state.hidden):
            return False
        self._note(self._count + rows, state.opened, None, state.hidden)
        return True

    def _is_stray(
        self, file: BinaryIO, row: int, opening: int, closing: int | None, lines: int
    ) -> bool:
        assert self._judge is not None
        here = file.tell()
        stray = opening not in self._tracker.ordinary and self._judge.stray(file, row, closing)
        file.seek(here)
        self._looked += 1
        if stray:
            self._tracker.ordinary.add(opening)
        else:
            self._usual = max(self._usual, lines)
        return stray

    def _note(self, row: int, opening: int, closing: int | None, lines: int) -> None:
        self.repairs.quotes += 1
        # A quote that would have closed the cell of the one before swallows nothing.
        if opening != self._closing:
            self.repairs.swallowed += lines
        self._closing = closing
        if len(self.repairs.quotes_at) < _EXAMPLES:
            self.repairs.quotes_at.append(row)

    def _no_row(self, file: BinaryIO, end: int) -> bool:
        """Whether what is left at the end of the file is blank, or the header again."""
        size = end - self._state.row
        if size > max(4096, len(self._header)):
            return False
        file.seek(self._state.row)
        tail = file.read(size)
        if self._header and tail.rstrip(b"\r") == self._header:
            return self._again(self._count)
        return tail == b"\r" or (self._dialect.spaces and not tail.strip())
