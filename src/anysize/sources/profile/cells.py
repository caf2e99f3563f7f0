"""Where the cells of many rows lie in a block of a delimited table, found by whole-array steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.sources.tables.dialect import Dialect

Places = NDArray[np.int64]
PADDING = 16
"""Bytes that must be readable behind the last row."""

_LINE, _RETURN, _QUOTE, _BLANK = 10, 13, 34, 32


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one number of cells, side by side.

    Attributes:
        data: the bytes, with at least ``PADDING`` behind the last row.
        rows: which of the rows given these are.
        starts, stops: of the cells ``[columns, rows]``, quotes around them left out.
        empty: whether there are cells with nothing in them.
        others: rows that have another number of cells or a quote that is not closed.
    """

    data: NDArray[np.uint8]
    rows: Places
    starts: Places
    stops: Places
    others: Places
    empty: bool


def cells_of(data: NDArray[np.uint8], starts: Places, columns: int, dialect: Dialect) -> Block:
    """The cells of the rows that begin at ``starts``; the last one is the end of the last row.

    A row in which quotes are not at the ends of cells may be cut otherwise than
    ``sources.rows.split_cells`` does; what is counted of it is not exact.
    """
    delimiter = ord(dialect.delimiter)
    rows, others = np.arange(len(starts) - 1), np.empty(0, np.int64)
    begin, end = starts[:-1], _without_line_ends(data, starts[1:])
    read = data[: int(starts[-1])]
    quotes = np.packbits(read == _QUOTE) if dialect.quoting else None
    quoted = quotes is not None and bool(quotes.any())
    if quotes is not None and quoted:
        inside = _inside(quotes)
        # Between rows every quote is closed, or the row before has one too many.
        shut = _bits(inside, end - 1)
        odd = shut != np.concatenate([[0], shut[:-1]])
        if odd.any():
            return _apart(data, starts, odd, columns, dialect)
        marks = np.packbits(read == delimiter) & ~inside
        places = np.flatnonzero(np.unpackbits(marks, count=len(read)).view(bool))
    else:
        places = np.flatnonzero(read == delimiter)
    wanted = columns - 1
    if len(places) != len(rows) * wanted or not _aligned(places, begin, end, wanted):
        counts = np.searchsorted(places, end) - np.searchsorted(places, begin)
        return _apart(data, starts, counts != wanted, columns, dialect)
    cell_starts = np.empty((columns, len(rows)), np.int64)
    cell_stops = np.empty((columns, len(rows)), np.int64)
    cell_starts[0], cell_stops[-1] = begin, end
    cell_stops[:-1] = places.reshape(len(rows), wanted).T
    np.add(cell_stops[:-1], 1, out=cell_starts[1:])
    while dialect.blanks and (begins := (data[cell_starts] == _BLANK)).any():
        cell_starts += begins & (cell_starts < cell_stops)
        if not (begins & (cell_starts < cell_stops)).any():
            break
    if quoted:
        for first, behind in zip(cell_starts, cell_stops, strict=True):
            around = data[first] == _QUOTE
            if around.any():
                around &= behind - first >= 2
                first += around
                behind -= around
    empty = bool((cell_starts == cell_stops).any())
    return Block(data, rows, cell_starts, cell_stops, others, empty)


def _inside(quotes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of each bit, whether the number of quotes up to it is odd."""
    padded = np.zeros(-(-len(quotes) // 8) * 8, np.uint8)
    padded[: len(quotes)] = quotes
    words = padded.view(">u8").astype(np.uint64)  # the first bit is the highest
    for step in (1, 2, 4, 8, 16, 32):
        words ^= words >> np.uint64(step)
    open_before = np.bitwise_xor.accumulate(words & np.uint64(1))
    words[1:] ^= np.uint64(0) - open_before[:-1]
    return words.astype(">u8").view(np.uint8)[: len(quotes)]


def _bits(packed: NDArray[np.uint8], places: Places) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = (packed[places >> 3] >> (7 - (places & 7)).astype(np.uint8)) & 1
    return found


def _aligned(places: Places, begin: Places, end: Places, wanted: int) -> bool:
    if not wanted or not len(begin):
        return True
    table = places.reshape(-1, wanted)
    return bool((table[:, 0] >= begin).all() and (table[:, -1] < end).all())


def _without_line_ends(data: NDArray[np.uint8], stops: Places) -> Places:
    """Ends of rows without the line ends and blank lines behind them."""
    end = stops.copy()
    while True:
        last = data[np.maximum(end - 1, 0)]
        cut = ((last == _LINE) | (last == _RETURN)) & (end > 0)
        if not cut.any():
            return end
        end -= cut


def _apart(
    data: NDArray[np.uint8],
    starts: Places,
    odd: NDArray[np.bool_],
    columns: int,
    dialect: Dialect,
) -> Block:
    """The same without the odd rows, whose bytes are taken out."""
    sizes = np.diff(starts)
    kept = np.append(
        data[starts[0] : starts[-1]][np.repeat(~odd, sizes)], np.zeros(PADDING, np.uint8)
    )
    places = np.concatenate([[0], np.cumsum(sizes[~odd])])
    rows = np.flatnonzero(~odd)
    if not len(rows):
        none = np.empty((columns, 0), np.int64)
        return Block(kept, rows, none, none, np.flatnonzero(odd), empty=False)
    inner = cells_of(kept, places, columns, dialect)
    others = np.flatnonzero(odd)
    if len(inner.others):
        others = np.sort(np.concatenate([others, rows[inner.others]]))
    return Block(inner.data, rows[inner.rows], inner.starts, inner.stops, others, inner.empty)
