"""Objects found in windows become the objects of the picture.

- An object belongs to the tile whose core holds its centre, so one that is smaller than the overlap
  is taken from a tile that shows all of it, once, exactly as that tile gave it.
- What touches an inner border of a tile may be a fragment of something larger. Fragments on the
  two sides of a shared border are joined where each reaches through the whole overlap.
- A window over the whole picture (its core is empty: it owns nothing) brings the objects that are
  larger than the overlap; they take the place of their fragments.
- Class-wise non-maximum suppression settles the rest.

Each page of a picture of several pages is a picture of its own here, and its objects name it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.activations import sigmoid, softmax
from anysize.core.objects import Detections, ObjectResult
from anysize.core.receipts import Unit
from anysize.core.windows import Box, Window
from anysize.mergers.containment import contained
from anysize.mergers.coverage import Coverage
from anysize.mergers.fragments import Fragments, join
from anysize.mergers.nms import suppress

PROVIDES = ("objects",)

# A fragment goes where this part of it lies in a larger object of its class.
_ABSORBED = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRules:
    """How detections become the objects of a picture.

    Attributes:
        threshold: what scores less is not in the prediction.
        floor: what scores less is not in ``ObjectResult.detections`` either.
        overlap: intersection over union above which the weaker of two of a class goes.
        edge: a box that ends within this part of its tile's side from an inner border may have been
            cut there. 0 is for detectors that are exact to the pixel: then all objects smaller
            than the tiles' overlap come out as they would without tiles.
        most: objects of one window at most, the best ones.
    """

    threshold: float = 0.25
    floor: float = 0.01
    overlap: float = 0.6
    edge: float = 0.01
    most: int = 1000


def decode(output: Mapping[str, Any], classes: int, region: Box, floor: float = 0.0) -> Detections:
    """What a window's arrays say, in pixels of the picture.

    Either ``class_scores`` ``[k, classes]`` with ``boxes`` ``[k, 4]`` (left, top, right, bottom),
    or ``logits`` with ``pred_boxes`` ``[k, 4]`` (centre and sides) as transformers' detectors give
    them: logits ``[k, classes]`` are for the sigmoid, ``[k, classes + 1]`` for the softmax with
    "no object" as the last. All boxes are parts of the region's sides, 0 to 1.

    Args:
        output: the arrays by name.
        classes: how many labels there are.
        region: what the window shows.
        floor: weaker ones are left out.
    """
    scores: NDArray[np.float32]
    if "class_scores" in output:
        scores = np.asarray(output["class_scores"], np.float32)
        parts = np.asarray(output["boxes"], np.float32)
    else:
        scores = _scores(np.asarray(output["logits"], np.float32), classes)
        centre, sides = np.split(np.asarray(output["pred_boxes"], np.float32), 2, axis=1)
        parts = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
    row, column = np.nonzero((scores >= floor) & (scores > 0))
    extent = np.array([region.width, region.height] * 2, np.float32)
    corner = np.array([region.left, region.top] * 2, np.float32)
    boxes = parts[row] * extent + corner
    sound = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Detections(boxes, scores[row, column], column.astype(np.int64)).take(sound)


def _scores(logits: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    if logits.shape[1] == classes:
        return np.asarray(sigmoid(logits), np.float32)
    return softmax(logits)[:, :classes]


@dataclass(frozen=True, slots=True)
class _Tile:
    """A window and its objects."""

    index: int
    region: Box
    core: Box
    found: Detections


@dataclass(frozen=True, slots=True)
class _Page:
    """Windows of one page: tiles, and those over the whole of it."""

    tiles: list[_Tile]
    wholes: list[_Tile]


class ObjectMerger:
    """Joins one record's windows.

    What is held grows with the objects that are found, as the result does. Windows may come in any
    order.

    Args:
        record: the record's id.
        labels: class names in the order of the scores.
        rules: thresholds.
    """

    order_independent = True

    def __init__(
        self, record: str, labels: Sequence[str], rules: ObjectRules | None = None
    ) -> None:
        self._record = record
        self._labels = labels
        self._rules = rules or ObjectRules()
        self._coverage = Coverage("pixels")
        self._pages: dict[int, _Page] = {}

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        region, core = window.region, window.core
        if not isinstance(region, Box) or not isinstance(core, Box):
            raise TypeError(f"the objects merger joins windows of pictures, not {region}")
        self._coverage.add(window)
        found = decode(output, len(self._labels), region, self._rules.floor)
        best = suppress(found.boxes, found.scores, found.classes, threshold=self._rules.overlap)
        found = found.take(best[: self._rules.most])
        tile = _Tile(window.index, region, core, found)
        page = self._pages.setdefault(window.page, _Page([], []))
        (page.tiles if core.size else page.wholes).append(tile)

    def finish(self) -> ObjectResult:
        pages = {number: self._objects(page) for number, page in sorted(self._pages.items())}
        prediction = []
        for number, found in pages.items():
            strong = found.take(found.scores >= self._rules.threshold)
            place = {"page": number + 1} if len(pages) > 1 else {}
            prediction += [place | each.to_json() for each in strong.named(self._labels)]
        found = Detections.joined(list(pages.values()))
        return ObjectResult(
            id=self._record,
            prediction=prediction,
            score=float(found.scores.max(initial=0.0)),
            receipt=self._coverage.receipt("objects", "local"),
            detections=found,
            threshold=self._rules.threshold,
        )

    def _objects(self, page: _Page) -> Detections:
        """The objects of a picture, or of one of its pages."""
        tiles = _Laid.of(page.tiles)
        large = Detections.joined([tile.found for tile in _in_order(page.wholes)])
        if len(tiles.cores):
            large = _clipped(large, tiles.extent)[0]
            large = large.take(_longest(large) >= tiles.shared)
        complete, fragments = self._sorted_out(tiles)
        joined, single = join(fragments, self._rules.edge)
        joined = _outside(joined, large)
        settled = Detections.joined([complete, large, joined])
        single = _outside(single, settled.take(_longest(settled) >= tiles.shared))
        every = Detections.joined([settled, single])
        kept = suppress(every.boxes, every.scores, every.classes, threshold=self._rules.overlap)
        return every.take(kept)

    def _sorted_out(self, tiles: _Laid) -> tuple[Detections, Fragments]:
        """What is complete and its tile's own, and what may have been cut."""
        found, inside = _clipped(tiles.found, tiles.extent)
        place = tiles.tile[inside]
        regions, cores = tiles.regions[place], tiles.cores[place]
        inner = np.concatenate([regions[:, :2] > 0, regions[:, 2:] < tiles.extent], axis=1)
        sides = (regions[:, 2:] - regions[:, :2]).astype(np.float32)
        slack = np.float32(self._rules.edge) * sides
        cut = inner & np.concatenate(
            [
                found.boxes[:, :2] <= regions[:, :2].astype(np.float32) + slack,
                found.boxes[:, 2:] >= regions[:, 2:].astype(np.float32) - slack,
            ],
            axis=1,
        )
        # With a tolerance for cuts the core has one too: two tiles may not agree on the centre.
        centre = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        inside_core = centre >= cores[:, :2].astype(np.float32) - slack
        inside_core &= centre < cores[:, 2:].astype(np.float32) + slack
        owned, anywhere = np.all(inside_core, axis=1), np.any(cut, axis=1)
        fragments = Fragments(
            found=found.take(anywhere),
            mine=owned[anywhere],
            cut=cut[anywhere],
            regions=regions[anywhere],
            cores=cores[anywhere],
        )
        return found.take(owned & ~anywhere), fragments


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """All tiles of a picture and what was found in them, as arrays.

    Attributes:
        found: in all tiles, in their order.
        tile: int64 ``[k]``: in which tile each was found.
        regions, cores: int64 ``[tiles, 4]``: left, top, right, bottom.
    """

    found: Detections
    tile: NDArray[np.int64]
    regions: NDArray[np.int64]
    cores: NDArray[np.int64]

    @classmethod
    def of(cls, tiles: Sequence[_Tile]) -> _Laid:
        """Tiles in any order."""
        ordered = _in_order(tiles)
        return cls(
            found=Detections.joined([tile.found for tile in ordered]),
            tile=np.repeat(np.arange(len(ordered)), [len(tile.found) for tile in ordered]),
            regions=_sides([tile.region for tile in ordered]),
            cores=_sides([tile.core for tile in ordered]),
        )

    @property
    def extent(self) -> NDArray[np.int64]:
        """Width and height of the picture."""
        return np.asarray(self.cores[:, 2:].max(0, initial=0))

    @property
    def shared(self) -> float:
        """The least overlap of neighbours, from the regions' parts before their cores."""
        margins = (self.cores - self.regions)[:, :2][self.regions[:, :2] > 0]
        # The part before the core is half of the overlap, rounded down.
        return 2 * float(margins.min()) + 1 if len(margins) else 0.0


def _in_order(tiles: Sequence[_Tile]) -> list[_Tile]:
    return sorted(tiles, key=lambda tile: tile.index)


def _sides(boxes: Sequence[Box]) -> NDArray[np.int64]:
    rows = [(box.left, box.top, box.right, box.bottom) for box in boxes]
    return np.array(rows, np.int64).reshape(-1, 4)


def _longest(found: Detections) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = (found.boxes[:, 2:] - found.boxes[:, :2]).max(1, initial=0.0)
    return sides


def _outside(these: Detections, others: Detections) -> Detections:
    """Those of ``these`` that do not lie in one of ``others`` of their class."""
    return these.take(~contained(these, others, _ABSORBED))


def _clipped(found: Detections, extent: NDArray[np.int64]) -> tuple[Detections, NDArray[np.bool_]]:
    """What is inside the picture, and which of those found that is."""
    boxes = np.clip(found.boxes, 0, np.concatenate([extent, extent]).astype(np.float32))
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Detections(boxes, found.scores, found.classes).take(inside), inside


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> ObjectMerger:
    """The merger of one record."""
    return ObjectMerger(record, labels)
