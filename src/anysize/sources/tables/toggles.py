"""Which quotes of a text table open or close a cell, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.sources.tables.dialect import Dialect

_LINE, _RETURN, _QUOTE, _BACKSLASH = 10, 13, 34, 92
_BLANK = (9, 32)


@dataclass(kw_only=True)
class QuoteState:
    """What is known about quotes at the end of a block.

    Attributes:
        inside: whether the block ends in a quoted cell.
        opened: place of the quote that opened the last cell.
        closed: place of the quote that closed the last one.
        previous: the last byte.
        slashes: backslashes at the end.
    """

    inside: bool = False
    opened: int = -1
    closed: int = -2
    previous: int = _LINE
    slashes: int = 0


class QuoteTracker:
    """Finds the quotes that count.

    Args:
        dialect: of the table.

    Attributes:
        delimiter: as a byte; -1 where there is none.
        ordinary: places of quotes that were found to be ordinary characters.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.delimiter = ord(dialect.delimiter) if dialect.delimiter else -1
        self.ordinary: set[int] = set()
        self._escape = dialect.escape
        self._blanks = dialect.blanks

    def _quotes(self, array: NDArray[np.uint8], base: int, state: QuoteState) -> NDArray[np.int64]:
        """Places of the quotes that are not escaped and not found to be stray."""
        quotes = np.flatnonzero(array == _QUOTE)
        if self._escape:
            # Places of what is no backslash, the last one before the block included.
            others = np.append(-1 - state.slashes, np.flatnonzero(array != _BACKSLASH))
            slashes = quotes - 1 - others[np.searchsorted(others, quotes) - 1]
            quotes = quotes[slashes % 2 == 0]
            state.slashes = len(array) - 1 - int(others[-1])
        if self.ordinary:
            stray = np.array([place - base for place in self.ordinary if place >= base])
            quotes = quotes[~np.isin(quotes, stray)]
        return quotes

    def toggles(self, array: NDArray[np.uint8], base: int, state: QuoteState) -> NDArray[np.int64]:
        """Places of the quotes that open or close a cell; moves the state to the block's end.

        Args:
            array: the block.
            base: where it begins in the file.
            state: at its beginning. ``previous`` is left to the caller.
        """
        quotes = self._quotes(array, base, state)
        if not len(quotes):
            return quotes
        before = array[quotes - 1]
        if quotes[0] == 0:
            before[0] = state.previous
        may_open = (before == self.delimiter) | (before == _LINE) | (before == _RETURN)
        if self._blanks:
            may_open |= self._behind_blanks(array, quotes, before, state)
        # A quote straight behind a closing one opens the cell again: together they are one
        # quote of its content.
        behind = np.empty(len(quotes), dtype=bool)
        behind[0] = state.closed == base + quotes[0] - 1
        behind[1:] = quotes[1:] - quotes[:-1] == 1
        opening = slice(int(state.inside), None, 2)
        if not (may_open | behind)[opening].all():
            return _walk(quotes, may_open, base, state)
        cells = quotes[opening][~behind[opening]]
        if len(cells):
            state.opened = base + int(cells[-1])
        state.inside = bool((len(quotes) + state.inside) & 1)
        if not state.inside:
            state.closed = base + int(quotes[-1])
        return quotes

    def _behind_blanks(
        self,
        array: NDArray[np.uint8],
        quotes: NDArray[np.int64],
        before: NDArray[np.uint8],
        state: QuoteState,
    ) -> NDArray[np.bool_]:
        """Which quotes have nothing but blanks before them in their cell."""
        found = np.zeros(len(quotes), dtype=bool)
        starts = (self.delimiter, _LINE, _RETURN)
        for place in np.flatnonzero((before == _BLANK[0]) | (before == _BLANK[1])).tolist():
            at = int(quotes[place]) - 1
            while at >= 0 and array[at] in _BLANK and array[at] != self.delimiter:
                at -= 1
            found[place] = (array[at] if at >= 0 else state.previous) in starts
        return found


def _walk(
    quotes: NDArray[np.int64], may_open: NDArray[np.bool_], base: int, state: QuoteState
) -> NDArray[np.int64]:
    kept: list[int] = []
    closed = state.closed - base
    for quote, may in zip(quotes.tolist(), may_open.tolist(), strict=True):
        if state.inside:
            state.inside = False
            closed = quote
        elif closed == quote - 1:
            state.inside = True
        elif may:
            state.inside = True
            state.opened = base + quote
        else:
            continue
        kept.append(quote)
    state.closed = base + closed
    return np.array(kept, dtype=np.int64)
