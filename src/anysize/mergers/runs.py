"""Pairs of rows with the members of their runs, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.int64]


def members(start: Places, stop: Places, most: int) -> Iterator[tuple[Places, Places]]:
    """Row ``i`` with each of ``start[i]`` to ``stop[i] - 1``, for all rows in order.

    Args:
        start: ``[rows]``.
        stop: ``[rows]``; a run that ends before it starts has no members.
        most: pairs at a time; only a row that has more of its own gives more.

    Yields:
        Rows and members, of the same length.
    """
    rows = np.flatnonzero(stop > start)
    lengths = (stop - start)[rows]
    ends = np.cumsum(lengths)
    first = done = 0
    while first < len(rows):
        last = max(int(np.searchsorted(ends, done + most, side="right")), first + 1)
        some, counts = rows[first:last], lengths[first:last]
        shift = np.repeat(start[some] + counts + done - ends[first:last], counts)
        yield np.repeat(some, counts), np.arange(len(shift)) + shift
        first, done = last, int(ends[last - 1])
