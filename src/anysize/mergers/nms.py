"""Non-maximum suppression in memory linear in the boxes, and fast where they are crowded.

The greedy rule (Felzenszwalb et al. 2010, "Object detection with discriminatively trained
part-based models"): the best box is kept and removes those of its class that overlap it by more
than a threshold, then the best of the rest, and so on. Only boxes that are near each other are
compared, all at once where they have few neighbours. Where they have many, as where one object is
found a thousand times, blocks of boxes are taken in the order of their scores: what a block keeps
removes others from the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.mergers.neighbours import Neighbourhood, Overlaps
from anysize.mergers.runs import Places, members

_BLOCK = 4096
# So many pairs for each box are compared sooner than sorted into a grid,
_FEW = 64
# and with so many candidates for each box, boxes are taken block by block.
_CROWDED = 96


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
    order = np.argsort(-scores, kind="stable").astype(np.int64)
    if len(order) < 2:
        return order
    boxes = np.asarray(boxes[order], np.float32)
    labels = np.zeros(len(order), np.int64) if classes is None else classes[order]
    kept = _within_classes(boxes, labels, threshold)
    if kept is None:
        near = Neighbourhood(boxes, labels, threshold)
        pairs = near.within(np.arange(len(order)), _CROWDED)
        kept = _by_blocks(near, len(order)) if pairs is None else _greedy(len(order), *pairs)
    return order[kept]


def _within_classes(
    boxes: NDArray[np.float32], classes: NDArray[np.int64], threshold: float
) -> Places | None:
    """What is kept of few boxes, by comparing all of each class; None where they are many."""
    order = np.argsort(classes, kind="stable")
    starts = np.flatnonzero(np.diff(classes[order], prepend=classes[order[0]] - 1))
    sizes = np.diff(starts, append=len(order))
    if int((sizes * (sizes - 1)).sum()) > 2 * _FEW * len(order):
        return None
    overlaps = Overlaps(boxes, threshold)
    start, stop = np.arange(len(order)) + 1, np.repeat(starts + sizes, sizes)
    found = [np.zeros((2, 0), np.int64)]
    for first, second in members(start, stop, _FEW * _BLOCK):
        pairs = np.stack([order[first], order[second]])
        found.append(pairs[:, overlaps.above(*pairs)])
    return _greedy(len(order), *np.concatenate(found, axis=1))


def _by_blocks(near: Neighbourhood, count: int) -> Places:
    """What is kept of ``count`` boxes in the order of their scores, of which many overlap."""
    rest = np.arange(count)
    kept: list[Places] = []
    size = _BLOCK
    while len(rest):
        block = rest[:size]
        # Small blocks have few pairs, whatever they are.
        pairs = near.within(block, _CROWDED if len(block) > 2 * _CROWDED else len(block))
        if pairs is None:
            size = len(block) // 4
            continue
        ends = np.searchsorted(block, np.stack(pairs))
        best = block[_greedy(len(block), *ends)]
        kept.append(best)
        rest = rest[len(block) :]
        if len(rest):
            rest = rest[~near.touched(rest, best)]
        size = min(2 * size, _BLOCK)
    return np.concatenate(kept)


def _greedy(count: int, first: Places, second: Places) -> Places:
    """Which of ``count`` boxes in order of score are kept, given the pairs that overlap.

    In each round those are settled whose stronger neighbours all are: a round for each link of the
    longest chain of boxes that remove each other.
    """
    stronger, weaker = np.minimum(first, second), np.maximum(first, second)
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
    return np.flatnonzero(kept)
