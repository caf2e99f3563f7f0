"""Which part of a picture a warp looks at, and how finely."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from anysize.augmentation.operations import Geometry, Matrix
from anysize.core.windows import Box

_MARGIN = 2


class Fineness(NamedTuple):
    """Pixels of the result for a pixel of the picture, along the picture's sides."""

    across: float
    down: float


def fineness(geometry: Geometry) -> Fineness:
    """The scale of a map along the picture's axes; of a projective one the mean over the result."""
    matrix = geometry.matrix
    if _affine(matrix):
        (a, b), (c, d) = matrix[0, :2].tolist(), matrix[1, :2].tolist()
        return Fineness(math.hypot(a, c), math.hypot(b, d))
    inverse = np.linalg.inv(matrix)
    scales = []
    for x, y in _grid(geometry.width, geometry.height):
        u, v, w = inverse @ (x, y, 1.0)
        jacobian = _jacobian(matrix, u / w, v / w)
        scales.append(np.hypot(jacobian[0], jacobian[1]))
    across, down = np.mean(scales, axis=0).tolist()
    return Fineness(across, down)


def seen(geometry: Geometry, extent: tuple[int, int], border: str | int) -> Box:
    """The part of the picture that the result depends on; at least one pixel.

    Args:
        geometry: from the picture to the result.
        extent: ``(width, height)`` of the picture.
        border: see ``Plan.border``.
    """
    width, height = extent
    bounds = _affine_bounds if _affine(geometry.matrix) else _projective_bounds
    found = bounds(geometry)
    if found is None:
        return Box(0, 0, width, height)
    left, top, right, bottom = found
    left, right = _interval(left, right, width, border)
    top, bottom = _interval(top, bottom, height, border)
    return Box(int(left), int(top), int(right), int(bottom))


def _affine_bounds(geometry: Geometry) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the result's rectangle in the picture."""
    (a, b, x), (c, d, y), _ = geometry.matrix.tolist()
    determinant = a * d - b * c
    left, top = (b * y - d * x) / determinant, (c * x - a * y) / determinant
    sides_x = d * geometry.width / determinant, -b * geometry.height / determinant
    sides_y = -c * geometry.width / determinant, a * geometry.height / determinant
    return (
        left + min(sides_x[0], 0.0) + min(sides_x[1], 0.0),
        top + min(sides_y[0], 0.0) + min(sides_y[1], 0.0),
        left + max(sides_x[0], 0.0) + max(sides_x[1], 0.0),
        top + max(sides_y[0], 0.0) + max(sides_y[1], 0.0),
    )


def _projective_bounds(geometry: Geometry) -> tuple[float, float, float, float] | None:
    """The same; None where the horizon is in view."""
    width, height = geometry.width, geometry.height
    corners = np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    found = np.linalg.inv(geometry.matrix) @ corners
    if found[2].min() <= 1e-9:
        return None
    found = found / found[2]
    (left, top), (right, bottom) = found[:2].min(axis=1).tolist(), found[:2].max(axis=1).tolist()
    return left, top, right, bottom


def _interval(low: float, high: float, length: int, border: str | int) -> tuple[float, float]:
    start, stop = math.floor(low + 1e-6) - _MARGIN, math.ceil(high - 1e-6) + _MARGIN
    if border == "reflect":
        # What is beyond an edge is seen mirrored on this side of it.
        if start < -length or stop > 2 * length:
            return 0, length
        start, stop = min(start, 2 * length - stop), max(stop, -start)
    start, stop = max(start, 0), min(stop, length)
    if start < stop:
        return start, stop
    # Nothing of it is seen but its edge.
    return (0, 1) if stop <= 0 else (length - 1, length)


def _affine(matrix: Matrix) -> bool:
    last: list[float] = matrix[2].tolist()
    return last == [0.0, 0.0, 1.0]


def _grid(width: int, height: int) -> list[tuple[float, float]]:
    return [(x * width, y * height) for x in (0.1, 0.5, 0.9) for y in (0.1, 0.5, 0.9)]


def _jacobian(matrix: Matrix, x: float, y: float) -> Matrix:
    u, v, w = matrix @ (x, y, 1.0)
    top = (matrix[0, :2] * w - matrix[2, :2] * u) / w**2
    bottom = (matrix[1, :2] * w - matrix[2, :2] * v) / w**2
    return np.stack((top, bottom))
