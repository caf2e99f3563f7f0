"""Boxes, keypoints, oriented boxes and masks through the geometry of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.operations import Geometry, Local, Matrix
from anysize.augmentation.plan import Plan
from anysize.augmentation.sample import Targets
from anysize.augmentation.warp import warped_mask
from anysize.core.errors import ConfigurationError

Floats = NDArray[np.float64]


def mapped(targets: Targets, plan: Plan, min_visibility: float) -> dict[str, NDArray[Any]]:
    """The fields of `Augmented` for the targets that are given.

    Args:
        targets: in pixels of the picture before.
        plan: what is done to it.
        min_visibility: boxes of which a smaller part of the area is left are dropped.

    Raises:
        ConfigurationError: the plan lays differently moved copies over each other.
    """
    if plan.blends:
        raise ConfigurationError(
            "aug_mix lays differently moved copies of a picture over each other; it has no "
            "meaning for boxes, masks and keypoints: use another augmentation"
        )
    found: dict[str, NDArray[Any]] = {}
    width, height = plan.size
    if targets.boxes is not None:
        quads = _through(corners_of_boxes(targets.boxes), plan)
        boxes, kept = visible_boxes(quads, width, height, min_visibility)
        found |= {"boxes": boxes.astype(np.float32), "kept": kept}
    if targets.oriented is not None:
        quads = _through(corners_of_oriented(targets.oriented), plan)
        parts = visible_parts(quads, width, height)
        kept = np.flatnonzero(parts >= max(min_visibility, 1e-9))
        found |= {
            "oriented": oriented_of_corners(quads[kept]).astype(np.float32),
            "oriented_kept": kept,
        }
    if targets.keypoints is not None:
        points = np.asarray(targets.keypoints, dtype=np.float64)
        moved = _through(points.reshape(-1, 1, 2), plan)
        found["keypoints"] = moved.reshape(points.shape).astype(np.float32)
    if targets.mask is not None:
        found["mask"] = _mask(targets.mask, plan)
    return found


def corners_of_boxes(boxes: NDArray[Any]) -> Floats:
    """``[n, 4, 2]``: the corners of left, top, right, bottom, clockwise as displayed."""
    return np.asarray(boxes, dtype=np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def corners_of_oriented(oriented: NDArray[Any]) -> Floats:
    """``[n, 4, 2]``: the corners, clockwise as displayed."""
    x, y, width, height, degrees = np.asarray(oriented, dtype=np.float64).T
    angle = np.deg2rad(degrees)
    along = np.stack((np.cos(angle), np.sin(angle)), axis=-1) * width[:, None] / 2
    aside = np.stack((-np.sin(angle), np.cos(angle)), axis=-1) * height[:, None] / 2
    centre = np.stack((x, y), axis=-1)
    return np.stack(
        (centre - along - aside, centre + along - aside, centre + along + aside,
         centre - along + aside), axis=1,
    )  # fmt: skip


def oriented_of_corners(quads: Floats) -> Floats:
    """``[n, 5]``: the rectangle of the same centre, area and first direction as each quadrilateral.

    Of a turned, scaled or flipped rectangle that is the rectangle itself; a sheared one loses its
    shear. The direction is between -90 and 90 degrees, as a rectangle has no front.
    """
    centre = quads.mean(axis=1)
    side = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / 2
    width = np.hypot(side[:, 0], side[:, 1])
    height = _areas(quads) / np.maximum(width, 1e-12)
    degrees = np.rad2deg(np.arctan2(side[:, 1], side[:, 0]))
    degrees = (degrees + 90) % 180 - 90
    return np.column_stack((centre, width, height, degrees))


def visible_boxes(
    quads: Floats, width: int, height: int, min_visibility: float
) -> tuple[Floats, NDArray[np.int64]]:
    """The upright boxes around what is visible of quadrilaterals, and which ones are kept.

    A box is kept if at least ``min_visibility`` of its quadrilateral's area, and something of it,
    is inside the picture.
    """
    boxes = np.concatenate((quads.min(axis=1), quads.max(axis=1)), axis=1)
    inside = _inside(boxes, width, height)
    parts = np.where(inside, 1.0, 0.0)
    for index in np.flatnonzero(~inside):
        area = _area(quads[index])
        polygon = clipped(quads[index], width, height)
        if area > 0 and len(polygon) > 2:
            parts[index] = _area(polygon) / area
            boxes[index] = (*polygon.min(axis=0), *polygon.max(axis=0))
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = np.flatnonzero((parts >= max(min_visibility, 1e-9)) & (sides.min(axis=1) > 0))
    return boxes[kept], kept


def visible_parts(quads: Floats, width: int, height: int) -> Floats:
    """Which part of the area of each quadrilateral is inside the picture."""
    boxes = np.concatenate((quads.min(axis=1), quads.max(axis=1)), axis=1)
    parts = np.where(_inside(boxes, width, height), 1.0, 0.0)
    for index in np.flatnonzero(parts == 0):
        area = _area(quads[index])
        polygon = clipped(quads[index], width, height)
        parts[index] = _area(polygon) / area if area > 0 and len(polygon) > 2 else 0.0
    return parts


def clipped(polygon: Floats, width: int, height: int) -> Floats:
    """What of a convex polygon ``[n, 2]`` is inside the picture (Sutherland and Hodgman 1974)."""
    points: list[tuple[float, float]] = [(x, y) for x, y in polygon.tolist()]
    for axis, limit, sign in (
        (0, 0.0, 1),
        (0, float(width), -1),
        (1, 0.0, 1),
        (1, float(height), -1),
    ):
        points = _clipped_by_line(points, axis, limit, sign)
    return np.array(points).reshape(-1, 2)


def _clipped_by_line(
    points: Sequence[tuple[float, float]], axis: int, limit: float, sign: int
) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for index, point in enumerate(points):
        before = points[index - 1]
        here, there = sign * (point[axis] - limit), sign * (before[axis] - limit)
        if (here < 0) != (there < 0):
            part = there / (there - here)
            x = before[0] + part * (point[0] - before[0])
            y = before[1] + part * (point[1] - before[1])
            found.append((limit, y) if axis == 0 else (x, limit))
        if here >= 0:
            found.append(point)
    return found


def _inside(boxes: Floats, width: int, height: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (
        (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2] <= width) & (boxes[:, 3] <= height)
    )
    return found


def _areas(quads: Floats) -> Floats:
    x, y = quads[..., 0], quads[..., 1]
    ahead_x, ahead_y = np.roll(x, -1, axis=-1), np.roll(y, -1, axis=-1)
    found: Floats = np.abs((x * ahead_y - ahead_x * y).sum(axis=-1)) / 2
    return found


def _area(polygon: Floats) -> float:
    return float(_areas(polygon))


def _through(points: Floats, plan: Plan) -> Floats:
    """Points ``[n, m, 2]`` through all stages that move anything."""
    for stage in plan.stages:
        if isinstance(stage, Geometry):
            points = _projected(points, stage.matrix)
        elif isinstance(stage, Local) and stage.displacement is not None:
            points = _bent(points, stage.displacement)
    return points


def _projected(points: Floats, matrix: Matrix) -> Floats:
    found = points @ matrix[:, :2].T + matrix[:, 2]
    last: Floats = found[..., :2] / found[..., 2:]
    return last


def _bent(points: Floats, displacement: NDArray[np.float32]) -> Floats:
    """Where points come to lie when each target pixel shows what lies at ``displacement`` from it.

    That is the inverse of the field, found by fixed-point iteration (Chen et al. 2008, "A simple
    fixed-point approach to invert a deformation field").
    """
    height, width = displacement.shape[:2]
    found = points
    for _ in range(8):
        columns = np.clip(found[..., 0].astype(np.int64), 0, width - 1)
        rows = np.clip(found[..., 1].astype(np.int64), 0, height - 1)
        found = points - displacement[rows, columns]
    return found


def _mask(mask: NDArray[Any], plan: Plan) -> NDArray[Any]:
    for stage in plan.stages:
        if isinstance(stage, Geometry):
            mask = warped_mask(mask, stage, plan.border)
        elif isinstance(stage, Local) and stage.displacement is not None:
            height, width = mask.shape[:2]
            field = np.rint(stage.displacement).astype(np.int64)
            columns = np.clip(np.arange(width) + field[..., 0], 0, width - 1)
            rows = np.clip(np.arange(height)[:, None] + field[..., 1], 0, height - 1)
            mask = mask[rows, columns]
    return mask
