"""What of a picture's objects a training window shows, before and after augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.objects import Annotation
from anysize.core.windows import Box

# An object of which a border leaves less than this part is left out: it is neither learned nor
# learned to be background.
LEAST_VISIBLE = 0.4
# The same holds for what is smaller than this many pixels of the model's input.
_LEAST_SIDE = 2.0
# Of a box, as parts of its sides: the corners, and what between them a bent side can reach.
_AROUND = np.array(
    [(x / 4, y / 4) for x in range(5) for y in range(5) if x in (0, 4) or y in (0, 4)], np.float64
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Objects in a window.

    Attributes:
        boxes: float32 ``[k, 4]``, clipped to the window.
        visible: float32 ``[k]``, the part of each that is in the window.
        classes: int64 ``[k]``; -1 is neither right nor wrong.
    """

    boxes: NDArray[np.float32]
    visible: NDArray[np.float32]
    classes: NDArray[np.int64]

    def arrays(self) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
        """What an example carries: ``boxes``, ``classes`` and ``ignored`` boxes."""
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).min(axis=1, initial=np.inf)
        clear = (self.visible >= LEAST_VISIBLE) & (sides >= _LEAST_SIDE) & (self.classes >= 0)
        return {
            "boxes": self.boxes[clear],
            "classes": self.classes[clear],
            "ignored": self.boxes[~clear],
        }


def objects_of(target: Sequence[Annotation], places: dict[str, int]) -> Shown:
    """All of a picture's objects, in its pixels.

    Args:
        target: the record's.
        places: of the labels.
    """
    boxes = np.array([each.box for each in target], np.float32).reshape(-1, 4)
    classes = [-1 if each.ignored else places[each.label] for each in target]
    return Shown(
        boxes=boxes,
        visible=np.ones(len(boxes), np.float32),
        classes=np.array(classes, np.int64),
    )


def cut_out(objects: Shown, part: Box) -> Shown:
    """What a part of the picture shows of them, in its own pixels."""
    corner = np.array([part.left, part.top] * 2, np.float32)
    return clip(objects, objects.boxes - corner, part.width, part.height)


def clip(objects: Shown, boxes: NDArray[np.float32], width: float, height: float) -> Shown:
    """The objects with new boxes, clipped to a window; those outside are left out."""
    inside = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    left = np.maximum(inside[:, 2:] - inside[:, :2], 0).prod(1)
    there = left > 0
    part = left[there] / np.maximum(area[there], np.float32(1e-9))
    return Shown(
        boxes=inside[there],
        visible=(objects.visible[there] * part).astype(np.float32),
        classes=objects.classes[there],
    )


def outlines(objects: Shown, across: float = 1.0, down: float = 1.0) -> NDArray[np.float64]:
    """Points around each object ``[k, points, 2]``, for steps that move them and may bend them.

    Args:
        objects: in pixels of the window.
        across: what a pixel's width is multiplied by.
        down: the same of its height.
    """
    low, high = np.split(objects.boxes[:, None].astype(np.float64), 2, axis=2)
    found: NDArray[np.float64] = (low + _AROUND * (high - low)) * np.array([across, down])
    return found


def moved(objects: Shown, points: NDArray[np.floating], width: float, height: float) -> Shown:
    """The objects where their outlines have gone, as the bounds of those.

    Args:
        objects: as they were.
        points: their outlines in the window after, ``[k, points, 2]``.
        width: of the window after.
        height: of the window after.
    """
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return clip(objects, boxes.astype(np.float32), width, height)
