"""Fragments of objects that tile borders cut, and joining them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from anysize.core.objects import Detections
from anysize.core.windows import Box

# Two fragments are of one object only if they are about as long along their border.
_ALIKE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A detection that touches an inner border of its tile.

    Attributes:
        box: float32 ``[4]`` in pixels of the picture.
        score: 0 to 1.
        label: its class.
        mine: whether its centre is in the tile's core.
        cut: of the left, top, right and bottom side: whether an inner border is there.
        region, core: of the tile.
    """

    box: NDArray[np.float32]
    score: float
    label: int
    mine: bool
    cut: tuple[bool, bool, bool, bool]
    region: Box
    core: Box


def join(fragments: Sequence[Fragment], edge: float) -> tuple[Detections, Detections]:
    """Joins what belongs together across shared borders.

    A cut object reaches through the whole overlap of the two tiles, in both of them: that is what
    tells it from two small ones that happen to lie at the border.

    Args:
        fragments: of all tiles.
        edge: tolerance, as a part of a tile's sides.

    Returns:
        The joined ones, with the highest score of their parts, and those that found no other part
        and are their tile's own.
    """
    parts = list(range(len(fragments)))

    def root(place: int) -> int:
        while parts[place] != place:
            parts[place] = parts[parts[place]]
            place = parts[place]
        return place

    for before, after, axis in _borders(fragments):
        for first, second in _matches(fragments, before, after, axis, edge):
            parts[root(second)] = root(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(fragments)):
        groups[root(place)].append(place)
    joined = [
        group
        for group in groups.values()
        if len(group) > 1 and _owned([fragments[place] for place in group])
    ]
    single = [group for group in groups.values() if len(group) == 1 and fragments[group[0]].mine]
    return _detections(fragments, joined), _detections(fragments, single)


def _borders(
    fragments: Sequence[Fragment],
) -> list[tuple[list[int], list[int], int]]:
    """Fragments on the two sides of each shared border: before it, behind it, and its axis.

    Neighbouring cores share their border, and neighbouring regions in a row their top.
    """
    sides: dict[tuple[int, int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for place, fragment in enumerate(fragments):
        region, core = fragment.region, fragment.core
        left, top, right, bottom = fragment.cut
        if right:
            sides[0, region.top, core.right][0].append(place)
        if left:
            sides[0, region.top, core.left][1].append(place)
        if bottom:
            sides[1, region.left, core.bottom][0].append(place)
        if top:
            sides[1, region.left, core.top][1].append(place)
    return [
        (before, after, axis) for (axis, _, _), (before, after) in sides.items() if before and after
    ]


def _matches(
    fragments: Sequence[Fragment],
    before: Sequence[int],
    after: Sequence[int],
    axis: int,
    edge: float,
) -> list[tuple[int, int]]:
    """Pairs across one border, the likeliest first; each fragment is in one pair at most.

    Args:
        fragments: all of them.
        before: those that end at the border.
        after: those that begin there.
        axis: 0 where the tiles lie side by side, 1 where one is below the other.
        edge: tolerance.
    """
    first = np.stack([fragments[place].box for place in before])[:, None]
    second = np.stack([fragments[place].box for place in after])[None]
    one, other = fragments[before[0]].region, fragments[after[0]].region
    size = (one.width, one.height)[axis]
    starts = (other.left, other.top)[axis] + edge * size
    ends = (one.right, one.bottom)[axis] - edge * size
    through = (first[..., axis] <= starts) & (second[..., axis + 2] >= ends)
    along = 1 - axis
    low = np.maximum(first[..., along], second[..., along])
    high = np.minimum(first[..., along + 2], second[..., along + 2])
    around = np.maximum(first[..., along + 2], second[..., along + 2]) - np.minimum(
        first[..., along], second[..., along]
    )
    alike = np.maximum(high - low, 0) / np.maximum(around, 1e-6)
    labels = np.array([fragments[place].label for place in before])[:, None] == np.array(
        [fragments[place].label for place in after]
    )
    alike = np.where(through & labels, alike, 0.0)
    found, used = [], set()
    for flat in np.argsort(-alike, axis=None, kind="stable").tolist():
        row, column = divmod(flat, len(after))
        if alike[row, column] < _ALIKE:
            break
        if (0, row) not in used and (1, column) not in used:
            used |= {(0, row), (1, column)}
            found.append((before[row], after[column]))
    return found


def _owned(parts: Sequence[Fragment]) -> bool:
    """Whether the middle of what the parts make up lies in their tiles' cores together.

    Otherwise they are the rim of an object that the next tiles hold.
    """
    boxes = np.stack([part.box for part in parts])
    x, y = (boxes[:, :2].min(0) + boxes[:, 2:].max(0)).tolist()
    left, right = min(each.core.left for each in parts), max(each.core.right for each in parts)
    top, bottom = min(each.core.top for each in parts), max(each.core.bottom for each in parts)
    return bool(left <= x / 2 <= right and top <= y / 2 <= bottom)


def _detections(fragments: Sequence[Fragment], groups: Sequence[Sequence[int]]) -> Detections:
    if not groups:
        return Detections.none()
    order = np.fromiter(chain.from_iterable(groups), np.int64)
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    boxes = np.stack([fragments[place].box for place in order])
    low = np.minimum.reduceat(boxes[:, :2], starts)
    high = np.maximum.reduceat(boxes[:, 2:], starts)
    scores = np.array([fragments[place].score for place in order], np.float32)
    labels = np.array([fragments[group[0]].label for group in groups], np.int64)
    return Detections(
        np.concatenate([low, high], axis=1), np.maximum.reduceat(scores, starts), labels
    )
