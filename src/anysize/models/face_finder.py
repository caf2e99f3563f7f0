"""Finding faces in pictures of any size with MTCNN, in bounded memory.

The picture is looked at twice. The whole is shrunk to ``WORKING_PIXELS`` where it has more, which
finds large faces; and then tiles at full resolution find those too small for that. A face belongs
to the tile whose core holds its centre, and tiles overlap by more than the largest face that is
looked for in them, so no face is cut and none is found twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.models.mtcnn import CropNet, MtcnnModel
from anysize.readers.resize import resize
from anysize.windows.boxes import tiles
from anysize.windows.faces import Face

WORKING_PIXELS = 1 << 22
"""Pixels that are searched at a time, 4.2 million."""

_WINDOW, _STRIDE = 12, 2
CELLS = 240  # a side of what the first net answers at a time
_CROPS = 256  # that the second and third net see at a time
_MOST_CANDIDATES = 4096  # of a step of the pyramid

Values = NDArray[np.float32]


class FaceFinder:
    """Finds faces in pictures that are read by region.

    Safe to use from several threads.

    Args:
        model: the three nets, in evaluation mode.
    """

    def __init__(self, model: MtcnnModel) -> None:
        self._model = model
        self._config = model.config

    def find(self, image: ImageField) -> list[Face]:
        """The faces of a picture, largest first.

        Raises:
            DataError: the picture cannot be read.
        """
        width, height = image.extent
        smallest = int(self._config.smallest)
        factor = math.sqrt(max(1.0, width * height / WORKING_PIXELS))
        if factor == 1.0:
            whole = next(iter(image.regions([Box(0, 0, width, height)])))
            return _sorted(self._search(whole, smallest, max(width, height)))
        size = max(1, round(width / factor)), max(1, round(height / factor))
        shrunk = image.resized(*size)
        found = self._search(shrunk, smallest, max(size))
        found[:, (0, 2, *range(5, 15, 2))] *= width / size[0]
        found[:, (1, 3, *range(6, 15, 2))] *= height / size[1]
        del shrunk
        parts = [found, *self._small(image, smallest, math.ceil(1.5 * smallest * factor))]
        together = np.concatenate(parts)
        return _sorted(together[suppress(together, 0.5)])

    def _small(self, image: ImageField, smallest: int, largest: int) -> Iterator[Values]:
        """Faces from tiles at full resolution, in the picture's coordinates."""
        width, height = image.extent
        overlap = 2 * largest
        side = max(1024, 2 * overlap)
        laid = tiles(width, height, side, side, overlap)
        regions = (region for region, _ in tiles(width, height, side, side, overlap))
        for (region, core), pixels in zip(laid, image.regions(regions), strict=True):
            found = self._search(pixels, smallest, largest)
            found[:, (0, 2, *range(5, 15, 2))] += region.left
            found[:, (1, 3, *range(6, 15, 2))] += region.top
            x, y = (found[:, 0] + found[:, 2]) / 2, (found[:, 1] + found[:, 3]) / 2
            # Centres beyond the picture's border belong to the tile at that border.
            x, y = np.clip(x, 0, width - 0.5), np.clip(y, 0, height - 0.5)
            own = (x >= core.left) & (x < core.right) & (y >= core.top) & (y < core.bottom)
            yield found[own]

    @torch.inference_mode()
    def _search(self, pixels: NDArray[np.uint8], smallest: int, largest: int) -> Values:
        """Rows of box, score and five points, ``[faces, 15]``."""
        steps = list(self._proposals(pixels, smallest, largest))
        if not steps:
            return np.zeros((0, 15), np.float32)
        boxes = np.concatenate(steps)
        boxes = boxes[suppress(boxes, 0.7)]
        thresholds = self._config.thresholds
        boxes, _ = self._crops(pixels, squared(boxes), self._model.refine, 24, thresholds[1])
        boxes = squared(boxes[suppress(boxes, 0.7)])
        boxes, points = self._crops(pixels, boxes, self._model.output, 48, thresholds[2])
        kept = suppress(boxes, 0.7, smaller=True)
        return np.concatenate([boxes[kept], points[kept]], axis=1)

    def _proposals(
        self, pixels: NDArray[np.uint8], smallest: int, largest: int
    ) -> Iterator[Values]:
        """The first net's boxes and scores ``[n, 5]`` for each step of the pyramid."""
        height, width = pixels.shape[:2]
        side = float(smallest)
        while side <= min(largest, max(width, height)):
            scale = _WINDOW / side
            size = math.ceil(width * scale), math.ceil(height * scale)
            if min(size) < _WINDOW:
                return
            found = self.proposals(resize(pixels, *size))
            if len(found):
                found[:, (0, 2)] *= width / size[0]
                found[:, (1, 3)] *= height / size[1]
                yield found[suppress(found, 0.5)]
            side /= self._config.shrink

    def proposals(self, pixels: NDArray[np.uint8]) -> Values:
        """The first net on one step of the pyramid, a bounded part at a time; it is exact."""
        height, width = pixels.shape[:2]
        rows, columns = (height - _WINDOW) // _STRIDE + 1, (width - _WINDOW) // _STRIDE + 1
        parts = []
        for top in range(0, rows, CELLS):
            for left in range(0, columns, CELLS):
                bottom, right = min(top + CELLS, rows), min(left + CELLS, columns)
                part = pixels[
                    _STRIDE * top : _STRIDE * (bottom - 1) + _WINDOW,
                    _STRIDE * left : _STRIDE * (right - 1) + _WINDOW,
                ]
                probability, shift = self._model.proposal(_normalised([part]))
                parts.append(self._cells(probability[0], shift[0], left, top))
        found = np.concatenate(parts)
        if len(found) > _MOST_CANDIDATES:
            found = found[np.argsort(-found[:, 4], kind="stable")[:_MOST_CANDIDATES]]
        return found

    def _cells(self, probability: Tensor, shift: Tensor, left: int, top: int) -> Values:
        row, column = torch.nonzero(probability >= self._config.thresholds[0], as_tuple=True)
        corner = torch.stack([column + left, row + top], dim=1) * float(_STRIDE)
        box = torch.cat([corner, corner + _WINDOW], dim=1) + _WINDOW * shift[:, row, column].t()
        return torch.cat([box, probability[row, column].unsqueeze(1)], dim=1).numpy()

    def _crops(
        self, pixels: NDArray[np.uint8], boxes: Values, net: CropNet, side: int, threshold: float
    ) -> tuple[Values, Values]:
        """Boxes ``[n, 5]`` and points ``[n, 10]`` of the crops that the net lets through."""
        kept, points = [np.zeros((0, 5), np.float32)], [np.zeros((0, 10), np.float32)]
        for start in range(0, len(boxes), _CROPS):
            part = boxes[start : start + _CROPS]
            probability, shift, marks = net(_normalised([_crop(pixels, box, side) for box in part]))
            passed = (probability >= threshold).numpy()
            part, sides = part[passed], (part[passed, 2:4] - part[passed, :2])
            moved = part[:, :4] + np.tile(sides, 2) * shift.numpy()[passed]
            kept.append(np.column_stack([moved, probability.numpy()[passed]]))
            if marks is not None:
                places = part[:, None, :2] + sides[:, None] * marks.numpy()[passed]
                points.append(places.reshape(-1, 10))
        return np.concatenate(kept), np.concatenate(points)


def suppress(boxes: NDArray[Any], most: float, *, smaller: bool = False) -> NDArray[np.int64]:
    """Non-maximum suppression: which boxes to keep, best first.

    Args:
        boxes: left, top, right, bottom, score, …: ``[n, 5 or more]``.
        most: overlap above which the box with the lower score goes.
        smaller: overlap is the share of the smaller box, not intersection over union.
    """
    waiting = np.argsort(-boxes[:, 4], kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[waiting, :2])
        high = np.minimum(boxes[best, 2:4], boxes[waiting, 2:4])
        common = np.clip(high - low, 0, None).prod(axis=1)
        whole = (
            np.minimum(areas[best], areas[waiting])
            if smaller
            else areas[best] + areas[waiting] - common
        )
        waiting = waiting[common <= most * whole]
    return np.array(kept, dtype=np.int64)


def squared(boxes: Values) -> Values:
    """The boxes grown to squares around their centres."""
    grown = boxes.copy()
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    grown[:, :2], grown[:, 2:4] = middle - half, middle + half
    return grown


def _crop(pixels: NDArray[np.uint8], box: Values, side: int) -> NDArray[np.uint8]:
    """The square as ``[side, side, 3]``; black beyond the picture's border."""
    left, top = (round(float(value)) for value in box[:2])
    size = max(1, round(float(box[2] - box[0])))
    inner = pixels[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)]
    if inner.shape[:2] != (size, size):
        canvas = np.zeros((size, size, 3), np.uint8)
        down, across = max(-top, 0), max(-left, 0)
        canvas[down : down + inner.shape[0], across : across + inner.shape[1]] = inner
        inner = canvas
    return resize(inner, side, side)


def _normalised(pictures: list[NDArray[np.uint8]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (stacked.float() - 127.5) / 128


def _sorted(found: Values) -> list[Face]:
    faces = [
        Face(
            box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
            score=float(row[4]),
            landmarks=tuple((float(x), float(y)) for x, y in row[5:].reshape(5, 2)),
        )
        for row in found
    ]
    return sorted(faces, key=lambda face: -face.area)
