"""Non-maximum suppression in memory linear in the boxes, and fast where they are crowded.

The greedy rule (Felzenszwalb et al. 2010, "Object detection with discriminatively trained
part-based models"): the best box is kept and removes those of its class that overlap it by more
than a threshold, then the best of the rest, and so on. It is computed for blocks of boxes in the
order of their scores: what a block keeps removes others from the rest. Only boxes that are near
each other are compared; see :class:`_Neighbourhood`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError

_BLOCK = 4096
# As many are compared with each other sooner than sorted into a grid.
_FEW = 256
# Pairs that are compared at a time, some 60 bytes each: what bounds the memory.
_PAIRS = 1 << 18
_KEY_BITS = 62

Places = NDArray[np.int64]


def suppress(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int64] | None = None,
    *,
    threshold: float,
) -> Places:
    """Positions of the boxes that are kept, the best first; of equal scores the earlier first.

    Args:
        boxes: ``[k, 4]``, left, top, right, bottom.
        scores: ``[k]``.
        classes: ``[k]``; boxes of different classes do not remove each other. None takes all for
            one class.
        threshold: the intersection over union above which the weaker box goes; above 0, at most 1.

    Raises:
        ConfigurationError: a threshold out of range.
    """
    if not 0 < threshold <= 1:
        raise ConfigurationError(
            f"the overlap threshold must be above 0 and at most 1, not {threshold}"
        )
    rest = np.argsort(-scores, kind="stable").astype(np.int64)
    if len(rest) < 2:
        return rest
    if len(rest) <= _FEW:
        return _dense(boxes, classes, rest, threshold)
    near = _Neighbourhood(boxes, classes, threshold)
    kept: list[Places] = []
    size = _BLOCK
    while len(rest):
        block = rest[:size]
        pairs = near.pairs(block, block)
        if pairs is None:
            # Very many at one place, as where one object is found a thousand times.
            size = max(len(block) // 4, 1)
            continue
        weaker, stronger = pairs
        ahead = stronger < weaker
        best = block[_greedy(len(block), weaker[ahead], stronger[ahead])]
        kept.append(best)
        rest = rest[len(block) :]
        if len(rest):
            rest = rest[~near.overlapped(rest, best)]
        size = min(2 * size, _BLOCK)
    return np.concatenate(kept)


def _dense(
    boxes: NDArray[np.float32], classes: NDArray[np.int64] | None, order: Places, threshold: float
) -> Places:
    """The same for few boxes, by comparing all of them."""
    sorted_ = boxes[order]
    low = np.maximum(sorted_[:, None, :2], sorted_[None, :, :2])
    high = np.minimum(sorted_[:, None, 2:], sorted_[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    areas = np.maximum(sorted_[:, 2:] - sorted_[:, :2], 0).prod(1)
    over = shared > np.float32(threshold) * (areas[:, None] + areas[None] - shared)
    if classes is not None:
        over &= classes[order][:, None] == classes[order][None]
    alive = np.ones(len(order), bool)
    for place in range(len(order)):
        if alive[place]:
            alive[place + 1 :] &= ~over[place, place + 1 :]
    return order[alive]


def _greedy(count: int, weaker: Places, stronger: Places) -> NDArray[np.bool_]:
    """Which of ``count`` boxes in order of score are kept, given the pairs that overlap.

    In each round those are settled whose stronger neighbours all are: a round for each link of the
    longest chain of boxes that remove each other.
    """
    kept = np.zeros(count, dtype=bool)
    unsettled = np.ones(count, dtype=bool)
    while unsettled.any():
        waiting = np.zeros(count, dtype=bool)
        waiting[weaker] = True
        best = unsettled & ~waiting
        kept |= best
        unsettled &= ~best
        unsettled[weaker[best[stronger]]] = False
        left = unsettled[weaker] & unsettled[stronger]
        weaker, stronger = weaker[left], stronger[left]
    return kept


class _Neighbourhood:
    """Finds the boxes that may overlap a box by more than the threshold ``t``.

    If two boxes do, the shorter is at least ``t`` times as high as the longer one, and the
    distance of their centres is below ``r = (1 - t) max(1, 1 / 2t)`` times the sides of either of
    them. So a box goes by the octave of its height, by its row in a grid as fine as that octave,
    and by the abscissa of its centre, all in one integer key; the candidates of a box are then a
    few runs of the sorted keys.
    """

    def __init__(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int64] | None,
        threshold: float,
    ) -> None:
        self._boxes = boxes
        self._threshold = np.float32(threshold)
        self._steps = int(np.ceil(np.log2(1 / threshold)))
        wide = boxes.astype(np.float64)
        sides = np.maximum(wide[:, 2:] - wide[:, :2], 0)
        self._areas = sides.prod(1).astype(np.float32)
        centres = (wide[:, :2] + wide[:, 2:]) / 2
        self._reach = sides * ((1 - threshold) * max(1.0, 0.5 / threshold)) + 1e-3
        centres += 2 * self._reach.max(0) - centres.min(0)
        self._x, self._y = centres[:, 0], centres[:, 1]
        limit = centres.max(0) + 2 * self._reach.max(0)
        finest = max(float(np.min(sides[:, 1], initial=np.inf)), limit[1] / (1 << 20))
        heights = np.maximum(sides[:, 1], finest)
        self._octave = np.log2(heights / finest).astype(np.int64)
        self._octaves = int(self._octave.max()) + 1
        self._pitch = finest * np.exp2(np.arange(self._octaves) + 1)
        self._class = (
            np.zeros(len(boxes), np.int64)
            if classes is None
            else np.unique(classes, return_inverse=True)[1].astype(np.int64)
        )
        self._row_bits = int(limit[1] / self._pitch[0] + 1).bit_length()
        group_bits = ((int(self._class.max()) + 1) * self._octaves).bit_length()
        self._column_bits = min(_KEY_BITS - self._row_bits - group_bits, 24)
        # Coarser columns would only give more candidates.
        self._columns = min(((1 << self._column_bits) - 1) / float(limit[0]), 4.0)

    def pairs(self, these: Places, others: Places) -> tuple[Places, Places] | None:
        """Pairs that overlap by more than the threshold, as places in ``these`` and in ``others``.

        None where there are too many candidates for the memory, unless ``these`` is one box.
        """
        octave = self._octave[others]
        row = (self._y[others] / self._pitch[octave]).astype(np.int64)
        keys = self._key(others, octave, row, self._x[others])
        order = np.argsort(keys, kind="stable")
        runs = list(self._runs(these, keys[order]))
        lengths = np.concatenate([stop - start for _, start, stop in runs])
        count = int(lengths.sum())
        if count > _PAIRS and len(these) > 1:
            return None
        starts = np.concatenate([start for _, start, _ in runs])
        first = np.repeat(np.concatenate([places for places, _, _ in runs]), lengths)
        shift = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        second = order[np.arange(count) + shift]
        over = self._overlap(these[first], others[second])
        return first[over], second[over]

    def overlapped(self, these: Places, others: Places) -> NDArray[np.bool_]:
        """Which of ``these`` overlap one of ``others`` by more than the threshold."""
        found = np.zeros(len(these), dtype=bool)
        pending = [np.arange(len(these))]
        while pending:
            part = pending.pop()
            pairs = self.pairs(these[part], others)
            if pairs is None:
                middle = len(part) // 2
                pending += [part[:middle], part[middle:]]
            else:
                found[part[pairs[0]]] = True
        return found

    def _overlap(self, these: Places, others: Places) -> NDArray[np.bool_]:
        boxes, against = self._boxes[these], self._boxes[others]
        low = np.maximum(boxes[:, :2], against[:, :2])
        shared = np.maximum(np.minimum(boxes[:, 2:], against[:, 2:]) - low, 0).prod(1)
        union = self._areas[these] + self._areas[others] - shared
        above: NDArray[np.bool_] = shared > self._threshold * union
        return above

    def _key(self, places: Places, octave: Places, row: Places, x: NDArray[np.float64]) -> Places:
        group = self._class[places] * self._octaves + octave
        column = (x * self._columns).astype(np.int64)
        key: Places = (((group << self._row_bits) + row) << self._column_bits) + column
        return key

    def _runs(self, these: Places, keys: Places) -> list[tuple[Places, Places, Places]]:
        """Runs of the sorted ``keys`` near each of ``these``: places, starts and stops."""
        none = np.zeros(0, np.int64)
        found = [(none, none, none)]
        for step in range(-self._steps, self._steps + 1):
            octave = self._octave[these] + step
            at = np.flatnonzero((octave >= 0) & (octave < self._octaves))
            if not len(at):
                continue
            pitch = self._pitch[octave[at]]
            y, reach = self._y[these[at]], self._reach[these[at], 1]
            low = ((y - reach) / pitch).astype(np.int64)
            high = ((y + reach) / pitch).astype(np.int64)
            for offset in range(int((high - low).max()) + 1):
                inside = low + offset <= high
                place = at[inside]
                box, row = these[place], (low + offset)[inside]
                x, wide = self._x[box], self._reach[box, 0]
                first = self._key(box, octave[place], row, x - wide)
                last = self._key(box, octave[place], row, x + wide)
                start = np.searchsorted(keys, first, side="left")
                stop = np.searchsorted(keys, last, side="right")
                some = stop > start
                found.append((place[some], start[some], stop[some]))
        return found
