"""Fragments of objects that tile borders cut, and joining them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.objects import Detections
from anysize.mergers.runs import Places, members

# Two fragments are of one object only if they are about as long along their border.
_ALIKE = 0.5
# Pairs that are compared at a time, some 100 bytes each.
_AT_A_TIME = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """Detections that touch an inner border of their tile, as arrays.

    Attributes:
        found: boxes in pixels of the picture, scores, classes; ``n`` of them.
        mine: bool ``[n]``: whether the centre is in the tile's core.
        cut: bool ``[n, 4]``, of the left, top, right and bottom side: whether an inner border is
            there.
        regions, cores: int64 ``[n, 4]`` of the tiles: left, top, right, bottom.
    """

    found: Detections
    mine: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    regions: Places
    cores: Places

    def __len__(self) -> int:
        return len(self.found)


def join(fragments: Fragments, edge: float) -> tuple[Detections, Detections]:
    """Joins what belongs together across shared borders.

    A cut object reaches through the whole overlap of the two tiles, in both of them: that is what
    distinguishes it from two small ones that happen to lie at the border.

    Args:
        fragments: of all tiles.
        edge: tolerance, as a part of a tile's sides.

    Returns:
        The joined ones, with the highest score of their parts, and those that found no other part
        and are their tile's own.
    """
    count = len(fragments)
    if not count:
        return Detections.none(), Detections.none()
    links = [_links(fragments, axis, edge) for axis in (0, 1)]
    first, second = (np.concatenate(ends) for ends in zip(*links, strict=True))
    groups = _components(count, first, second)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=count)
    alone = order[starts[sizes == 1]]
    several = np.repeat(sizes > 1, sizes)
    joined = _joined(fragments, order[several], sizes[sizes > 1])
    return joined, fragments.found.take(np.sort(alone[fragments.mine[alone]]))


def _links(fragments: Fragments, axis: int, edge: float) -> tuple[Places, Places]:
    """Pairs of fragments across the borders of one direction; each is in one pair at most.

    Neighbouring cores share their border, and neighbouring regions in a row their top.

    Args:
        fragments: all of them.
        axis: 0 where the tiles lie side by side, 1 where one is below the other.
        edge: tolerance.
    """
    along = 1 - axis
    before = np.flatnonzero(fragments.cut[:, axis + 2])
    after = np.flatnonzero(fragments.cut[:, axis])
    labels = fragments.found.classes
    borders = np.concatenate(
        [
            np.stack([fragments.regions[places, along], line, labels[places]], axis=1)
            for places, line in (
                (before, fragments.cores[before, axis + 2]),
                (after, fragments.cores[after, axis]),
            )
        ]
    )
    keys = np.unique(borders, axis=0, return_inverse=True)[1].reshape(-1)
    before_keys, after_keys = keys[: len(before)], keys[len(before) :]
    order = np.argsort(after_keys, kind="stable")
    after, after_keys = after[order], after_keys[order]
    start = np.searchsorted(after_keys, before_keys, side="left")
    stop = np.searchsorted(after_keys, before_keys, side="right")
    firsts, seconds, likenesses = [], [], []
    for row, place in members(start, stop, _AT_A_TIME):
        first, second = before[row], after[place]
        alike = _alike(fragments, first, second, axis, edge)
        close = alike >= _ALIKE
        firsts.append(first[close])
        seconds.append(second[close])
        likenesses.append(alike[close])
    if not firsts:
        none = np.zeros(0, np.int64)
        return none, none
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    best = _best_pairs(first, second, np.concatenate(likenesses))
    return first[best], second[best]


def _alike(
    fragments: Fragments, first: Places, second: Places, axis: int, edge: float
) -> NDArray[np.float32]:
    """How alike the two of each pair are along their border, 0 to 1.

    0 where they do not both reach through the overlap of their tiles.
    """
    along = 1 - axis
    boxes, regions = fragments.found.boxes, fragments.regions
    size = edge * (regions[first, axis + 2] - regions[first, axis])
    through = boxes[first, axis] <= regions[second, axis] + size
    through &= boxes[second, axis + 2] >= regions[first, axis + 2] - size
    low, high = boxes[first, along], boxes[first, along + 2]
    other_low, other_high = boxes[second, along], boxes[second, along + 2]
    shared = np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0)
    around = np.maximum(high, other_high) - np.minimum(low, other_low)
    alike: NDArray[np.float32] = np.where(through, shared / np.maximum(around, 1e-6), 0)
    return alike


def _best_pairs(first: Places, second: Places, alike: NDArray[np.float32]) -> Places:
    """The pairs that remain when the likeliest is taken again and again, with what it touches.

    In each round those are taken that are the likeliest of both their ends: the same pairs.
    """
    order = np.lexsort((second, first, -alike))
    taken: list[Places] = []
    while len(order):
        best = _leading(first[order]) & _leading(second[order])
        taken.append(order[best])
        free = ~np.isin(first[order], first[order[best]])
        free &= ~np.isin(second[order], second[order[best]])
        order = order[free]
    return np.concatenate(taken) if taken else order


def _leading(ends: Places) -> NDArray[np.bool_]:
    """Which are the first with their value."""
    leads = np.zeros(len(ends), bool)
    leads[np.unique(ends, return_index=True)[1]] = True
    return leads


def _components(count: int, first: Places, second: Places) -> Places:
    """For each of ``count`` places the smallest one that links connect it to."""
    least = np.arange(count)
    while True:
        low = np.minimum(least[first], least[second])
        if np.array_equal(least[first], least[second]):
            return least
        for ends in (first, second):
            np.minimum.at(least, least[ends], low)
            np.minimum.at(least, ends, low)
        least = least[least]


def _joined(fragments: Fragments, members: Places, sizes: Places) -> Detections:
    """Groups of fragments as one detection each, if their tiles own it.

    They do where the middle of what the parts make up lies in their cores together. Otherwise the
    parts are the rim of an object that the next tiles hold.

    Args:
        fragments: all of them.
        members: of all groups, group after group.
        sizes: of the groups.
    """
    if not len(members):
        return Detections.none()
    starts = np.cumsum(sizes) - sizes
    boxes = _around(fragments.found.boxes[members], starts)
    cores = _around(fragments.cores[members], starts)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    owned = ((cores[:, :2] <= middle) & (middle <= cores[:, 2:])).all(1)
    scores = np.maximum.reduceat(fragments.found.scores[members], starts)
    classes = fragments.found.classes[members[starts]]
    return Detections(boxes, scores, classes).take(owned)


def _around(boxes: NDArray[Any], starts: Places) -> NDArray[Any]:
    """The smallest boxes around the boxes of each group."""
    return np.concatenate(
        [
            np.minimum.reduceat(boxes[:, :2], starts),
            np.maximum.reduceat(boxes[:, 2:], starts),
        ],
        axis=1,
    )
