"""Which boxes lie in larger ones, in time and memory linear in the boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.objects import Detections

_AT_A_TIME = 1 << 18


def contained(these: Detections, others: Detections, part: float) -> NDArray[np.bool_]:
    """Which of ``these`` lie, by a part of their area, in one of ``others`` of their class.

    If more than half of a box lies in another, its centre does. So the larger ones go into grids
    whose cells are as large as they are, one grid for each octave of sizes, and a box asks the
    cells around its centre.

    Args:
        these: the smaller ones.
        others: the larger ones.
        part: the least one, above 0.5, at most 1.
    """
    found = np.zeros(len(these), bool)
    if not len(these) or not len(others):
        return found
    centres = (these.boxes[:, :2] + these.boxes[:, 2:]).astype(np.float64) / 2
    middles = (others.boxes[:, :2] + others.boxes[:, 2:]).astype(np.float64) / 2
    origin = np.minimum(centres.min(0), middles.min(0))
    centres, middles = centres - origin, middles - origin
    longest = np.maximum((others.boxes[:, 2:] - others.boxes[:, :2]).max(1), 1.0)
    octave = np.ceil(np.log2(longest)).astype(np.int64)
    for size in np.unique(octave).tolist():
        mine = np.flatnonzero(octave == size)
        pitch = 2.0**size
        cells = (middles[mine] / pitch).astype(np.int64) + 1
        columns = int(max(cells[:, 0].max(), (centres[:, 0] / pitch).max() + 1)) + 2
        keys = cells[:, 1] * columns + cells[:, 0]
        order = np.argsort(keys, kind="stable")
        keys, mine = keys[order], mine[order]
        asked = (centres / pitch).astype(np.int64) + 1
        for row in (-1, 0, 1):
            first = (asked[:, 1] + row) * columns + asked[:, 0] - 1
            start = np.searchsorted(keys, first, side="left")
            stop = np.searchsorted(keys, first + 2, side="right")
            _ask(these, others, mine, start, stop, part, found)
    return found


def _ask(
    these: Detections,
    others: Detections,
    mine: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    part: float,
    found: NDArray[np.bool_],
) -> None:
    """Compares each box with its run of candidates, some boxes at a time, and marks the found."""
    open_ = np.flatnonzero((stop > start) & ~found)
    while len(open_):
        lengths = (stop - start)[open_]
        count = max(int(np.searchsorted(np.cumsum(lengths), _AT_A_TIME)), 1)
        some, lengths = open_[:count], lengths[:count]
        open_ = open_[count:]
        small = np.repeat(some, lengths)
        shift = np.repeat(start[some] - (np.cumsum(lengths) - lengths), lengths)
        large = mine[np.arange(len(small)) + shift]
        boxes, around = these.boxes[small], others.boxes[large]
        low = np.maximum(boxes[:, :2], around[:, :2])
        shared = np.maximum(np.minimum(boxes[:, 2:], around[:, 2:]) - low, 0).prod(1)
        inside = shared >= part * (boxes[:, 2:] - boxes[:, :2]).prod(1)
        inside &= these.classes[small] == others.classes[large]
        found[small[inside]] = True
