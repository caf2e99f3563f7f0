"""Which boxes overlap, found among those that are near each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anysize.mergers.runs import Places, members

# Pairs that are compared at a time, some 100 bytes each: what bounds the memory.
_PAIRS = 1 << 17
_KEY_BITS = 62


class Overlaps:
    """Compares boxes by intersection over union.

    Args:
        boxes: float32 ``[k, 4]``, left, top, right, bottom.
        threshold: above 0, at most 1.
    """

    def __init__(self, boxes: NDArray[np.float32], threshold: float) -> None:
        # A column at a time is several times faster than rows of four.
        self._sides = [np.ascontiguousarray(boxes[:, side]) for side in range(4)]
        left, top, right, bottom = self._sides
        self._areas = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
        self._threshold = np.float32(threshold)

    def above(self, first: Places, second: Places) -> NDArray[np.bool_]:
        """Which of the pairs overlap by more than the threshold."""
        left, top, right, bottom = self._sides
        width = np.minimum(right[first], right[second]) - np.maximum(left[first], left[second])
        height = np.minimum(bottom[first], bottom[second]) - np.maximum(top[first], top[second])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = self._areas[first] + self._areas[second] - shared
        found: NDArray[np.bool_] = shared > self._threshold * union
        return found


class Neighbourhood:
    """Finds the boxes that overlap a box by more than the threshold ``t``.

    If two boxes do, the shorter is at least ``t`` times as high as the longer one, and the
    distance of their centres is below ``r = (1 - t) max(1, 1 / 2t)`` times the sides of either of
    them. So a box is kept by the octave of its height, by its row in a grid as fine as that octave,
    and by the abscissa of its centre, all in one integer key; the candidates of a box are then a
    few runs of the sorted keys.

    Args:
        boxes: float32 ``[k, 4]``, left, top, right, bottom; at least one.
        classes: ``[k]``; boxes of different classes are never paired.
        threshold: above 0, at most 1.
    """

    def __init__(
        self, boxes: NDArray[np.float32], classes: NDArray[np.int64], threshold: float
    ) -> None:
        self._overlaps = Overlaps(boxes, threshold)
        self._steps = int(np.ceil(np.log2(1 / threshold)))
        wide = boxes.astype(np.float64)
        sides = np.maximum(wide[:, 2:] - wide[:, :2], 0)
        centres = (wide[:, :2] + wide[:, 2:]) / 2
        reach = sides * ((1 - threshold) * max(1.0, 0.5 / threshold)) + 1e-3
        centres += 2 * reach.max(0) - centres.min(0)
        self._x, self._y = np.ascontiguousarray(centres.T)
        across, self._down = np.ascontiguousarray(reach.T)
        self._least, self._most = self._x - across, self._x + across
        limit = centres.max(0) + 2 * reach.max(0)
        finest = max(float(np.min(sides[:, 1], initial=np.inf)), limit[1] / (1 << 20))
        heights = np.maximum(sides[:, 1], finest)
        self._octave = np.log2(heights / finest).astype(np.int64)
        self._octaves = int(self._octave.max()) + 1
        self._pitch = finest * np.exp2(np.arange(self._octaves) + 1)
        self._class = np.unique(classes, return_inverse=True)[1].astype(np.int64)
        self._row_bits = int(limit[1] / self._pitch[0] + 1).bit_length()
        group_bits = ((int(self._class.max()) + 1) * self._octaves).bit_length()
        self._column_bits = min(_KEY_BITS - self._row_bits - group_bits, 24)
        # Coarser columns would only give more candidates.
        self._columns = min(((1 << self._column_bits) - 1) / float(limit[0]), 4.0)

    def within(self, these: Places, most: int) -> tuple[Places, Places] | None:
        """Each pair among ``these`` that overlaps, once, as places in all boxes.

        None where there are more candidates than ``most`` times the boxes.
        """
        these, keys = self._in_order(these)
        place = np.arange(len(these))
        octave = self._octave[these]
        last = self._key(these, octave, self._row(these, octave), self._most)
        # Of two boxes the one before the other in the order finds it: in its own row behind it, in
        # the rows behind its own, and in the higher octaves.
        runs = [(place, place + 1, np.searchsorted(keys, last, side="right"))]
        runs += self._runs(these, keys, 0, behind=True)
        for step in range(1, self._steps + 1):
            runs += self._runs(these, keys, step)
        candidates = sum(int(np.maximum(stop - start, 0).sum()) for _, start, stop in runs)
        if candidates > most * len(these):
            return None
        found = list(self._overlapping(these, these, runs))
        return (
            np.concatenate([these[:0], *(first for first, _ in found)]),
            np.concatenate([these[:0], *(second for _, second in found)]),
        )

    def touched(self, these: Places, others: Places) -> NDArray[np.bool_]:
        """Which of ``these`` overlap one of ``others``."""
        others, keys = self._in_order(others)
        runs = []
        for step in range(-self._steps, self._steps + 1):
            runs += self._runs(these, keys, step)
        overlapped = np.zeros(len(self._x), bool)
        for first, _ in self._overlapping(these, others, runs):
            overlapped[first] = True
        return overlapped[these]

    def _overlapping(
        self, these: Places, others: Places, runs: list[tuple[Places, Places, Places]]
    ) -> Iterator[tuple[Places, Places]]:
        places, start, stop = (np.concatenate(each) for each in zip(*runs, strict=True))
        for row, member in members(start, stop, _PAIRS):
            first, second = these[places[row]], others[member]
            near = np.abs(self._y[first] - self._y[second]) < self._down[first]
            first, second = first[near], second[near]
            above = self._overlaps.above(first, second)
            yield first[above], second[above]

    def _in_order(self, places: Places) -> tuple[Places, Places]:
        """The places in the order of their keys, and the keys."""
        octave = self._octave[places]
        keys = self._key(places, octave, self._row(places, octave), self._x)
        order = np.argsort(keys, kind="stable")
        return places[order], keys[order]

    def _row(self, places: Places, octave: Places) -> Places:
        row: Places = (self._y[places] / self._pitch[octave]).astype(np.int64)
        return row

    def _key(self, places: Places, octave: Places, row: Places, x: NDArray[np.float64]) -> Places:
        group = self._class[places] * self._octaves + octave
        column = (x[places] * self._columns).astype(np.int64)
        key: Places = (((group << self._row_bits) + row) << self._column_bits) + column
        return key

    def _runs(
        self, these: Places, keys: Places, step: int, *, behind: bool = False
    ) -> list[tuple[Places, Places, Places]]:
        """Runs of the sorted ``keys`` near each of ``these``: rows of ``these``, starts and stops.

        Args:
            these: places of boxes.
            keys: sorted, of others.
            step: from the octave of a box to that of its candidates.
            behind: only the rows behind a box's own.
        """
        octave = self._octave[these] + step
        at = np.flatnonzero((octave >= 0) & (octave < self._octaves))
        if not len(at):
            return []
        pitch = self._pitch[octave[at]]
        y, reach = self._y[these[at]], self._down[these[at]]
        low = (y / pitch).astype(np.int64) + 1 if behind else ((y - reach) / pitch).astype(np.int64)
        high = ((y + reach) / pitch).astype(np.int64)
        found = []
        for offset in range(int((high - low).max()) + 1):
            inside = low + offset <= high
            place = at[inside]
            box, row = these[place], (low + offset)[inside]
            first = self._key(box, octave[place], row, self._least)
            last = self._key(box, octave[place], row, self._most)
            start = np.searchsorted(keys, first, side="left")
            found.append((place, start, np.searchsorted(keys, last, side="right")))
        return found
