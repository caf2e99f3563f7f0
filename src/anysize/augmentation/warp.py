"""One warp for all geometry of a run.

Flips, quarter turns and moves by whole pixels are slices. What is otherwise along the axes is a
resize of the rectangle that is seen. Everything else is interpolated linearly, from a copy that is
shrunk first where the result is coarser than the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.operations import Geometry, Matrix, Pixels
from anysize.augmentation.regions import fineness, seen
from anysize.augmentation.resample import halved, resampled
from anysize.readers.parts import Part
from anysize.readers.resize import opencv

HALVED = 0.46
"""Scale from which downwards a picture is halved before it is interpolated.

That is where, on photographs, patterns and noise, halving first comes nearer to averaging over each
pixel of the result than interpolating from the finer picture does. Down to it, interpolation alone
comes nearer than any filter before it, because two interpolations blur.
"""

_NEAR = 1e-6


def warped(part: Part, geometry: Geometry, border: str | int) -> Pixels:
    """The picture after a geometry.

    Args:
        part: pixels of at least ``regions.seen(geometry, part.extent, border)``.
        geometry: from coordinates of the whole picture to those of the result.
        border: see ``Plan.border``.

    Returns:
        uint8 ``[geometry.height, geometry.width, 3]``, contiguous.
    """
    found = _along_axes(part, geometry, border)
    return _interpolated(part, geometry, border) if found is None else found


def warped_mask(mask: NDArray[Any], geometry: Geometry, border: str | int) -> NDArray[Any]:
    """Labels after a geometry: each pixel takes the label that lies under its centre.

    Args:
        mask: ``[h, w]`` or ``[h, w, n]`` of any type.
        geometry: as for the picture.
        border: beyond the mask a level border shows 0.
    """
    height, width = mask.shape[:2]
    inverse = np.linalg.inv(geometry.matrix)
    x = np.arange(geometry.width) + 0.5
    y = (np.arange(geometry.height) + 0.5)[:, None]
    across, down, depth = (row[0] * x + row[1] * y + row[2] for row in inverse)
    # A centre that falls on an edge between two pixels belongs to the right or lower one, whatever
    # the last bit of the arithmetic says.
    columns = np.floor(across / depth + _NEAR).astype(np.int64)
    rows = np.floor(down / depth + _NEAR).astype(np.int64)
    found = mask[_within(rows, height, border), _within(columns, width, border)]
    if isinstance(border, int):
        found[(rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)] = 0
    return found


def _within(places: NDArray[np.int64], length: int, border: str | int) -> NDArray[np.int64]:
    if border == "reflect" and length > 1:
        places = np.abs((places + length - 1) % (2 * length - 2) - (length - 1))
    return np.clip(places, 0, length - 1)


class _Side(NamedTuple):
    """One side of a resize: pixels [start, stop) become ``size`` ones, ``before`` them a border."""

    start: int
    stop: int
    before: int
    size: int
    after: int


@dataclass(frozen=True, slots=True)
class _Axes:
    """A geometry that only cuts, resizes, pads, mirrors and turns by quarters.

    Attributes:
        rows, columns: of the picture, which become rows and columns of the result before it is
            mirrored and turned.
        mirrored: whether the result's columns, and its rows, go backwards.
        turned: whether rows and columns change places in the end.
    """

    rows: _Side
    columns: _Side
    mirrored: tuple[bool, bool]
    turned: bool

    @classmethod
    def of(cls, part: Part, geometry: Geometry) -> _Axes | None:
        """None where that is not all that is asked for."""
        matrix = _from_part(part, geometry.matrix)
        (a, b, x), (c, d, y), last = matrix.tolist()
        if tuple(last) != (0.0, 0.0, 1.0):
            return None
        width, height = geometry.width, geometry.height
        turned = abs(a) < 1e-12 and abs(d) < 1e-12
        if turned:
            a, x, d, y, width, height = c, y, b, x, height, width
        elif abs(b) > 1e-12 or abs(c) > 1e-12:
            return None
        mirrored = a < 0, d < 0
        if mirrored[0]:
            a, x = -a, width - x
        if mirrored[1]:
            d, y = -d, height - y
        columns = _side(a, x, part.pixels.shape[1], width)
        rows = _side(d, y, part.pixels.shape[0], height)
        return None if columns is None or rows is None else cls(rows, columns, mirrored, turned)


def _along_axes(part: Part, geometry: Geometry, border: str | int) -> Pixels | None:
    """The result by slicing and resizing; None where that is not all that is asked for."""
    axes = _Axes.of(part, geometry)
    if axes is None:
        return None
    rows, columns = axes.rows, axes.columns
    if border == "reflect" and not (_mirrors_itself(rows) and _mirrors_itself(columns)):
        return None
    pixels = _three(part.pixels[rows.start : rows.stop, columns.start : columns.stop])
    if pixels.shape[:2] != (rows.size, columns.size):
        pixels = resampled(pixels, columns.size, rows.size)
    margins = (rows.before, rows.after, columns.before, columns.after)
    if any(margins):
        kind, level = _border(border)
        pixels = opencv().copyMakeBorder(pixels, *margins, borderType=kind, value=level)
    across, down = axes.mirrored
    pixels = pixels[:: -1 if down else 1, :: -1 if across else 1]
    return _own(pixels.swapaxes(0, 1) if axes.turned else pixels, part.pixels)


def _own(pixels: Pixels, source: Pixels) -> Pixels:
    """Contiguous, and not the picture itself."""
    cv2 = opencv()
    if pixels.base is not None and pixels.strides[1] < 0 and pixels.strides[0] > 0:
        # Much faster than a copy of single pixels.
        found: Pixels = cv2.flip(pixels[:, ::-1], 1)
        return found
    packed = np.ascontiguousarray(pixels)
    return packed.copy() if np.may_share_memory(packed, source) else packed


def _mirrors_itself(side: _Side) -> bool:
    """Whether what is mirrored beyond the picture's edges is seen inside of them, too."""
    return max(side.before, side.after) < side.size


def _side(scale: float, offset: float, length: int, size: int) -> _Side | None:
    """A side, where whole pixels become whole pixels."""
    low, high = max(0.0, offset), min(float(size), scale * length + offset)
    places = ((low - offset) / scale, (high - offset) / scale, low, high)
    whole = [round(place) for place in places]
    if any(abs(place - near) > _NEAR for place, near in zip(places, whole, strict=True)):
        return None
    start, stop, first, last = whole
    if start >= stop or first >= last:
        return None
    return _Side(start, stop, first, last - first, size - last)


def _interpolated(part: Part, geometry: Geometry, border: str | int) -> Pixels:
    cv2 = opencv()
    part = _narrowed(part, geometry, border)
    part = _coarser(part, geometry)
    matrix = _from_part(part, geometry.matrix)
    # OpenCV's coordinates are whole at the centres of pixels.
    matrix = _HALF_LESS @ matrix @ _HALF_MORE
    kind, level = _border(border)
    # Four bytes a pixel are interpolated in less than half of the time that three take.
    pixels = part.pixels
    if pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    size = (geometry.width, geometry.height)
    if matrix[2].tolist() == [0.0, 0.0, 1.0]:
        found = cv2.warpAffine(
            pixels, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=kind, borderValue=level
        )
    else:
        found = cv2.warpPerspective(
            pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=kind, borderValue=level
        )
    return _three(found)


_HALF_LESS = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
_HALF_MORE = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


def _narrowed(part: Part, geometry: Geometry, border: str | int) -> Part:
    """Only what is seen."""
    box = seen(geometry, part.extent, border)
    height, width = part.pixels.shape[:2]
    left = max(int((box.left - part.left) * part.across), 0)
    top = max(int((box.top - part.top) * part.down), 0)
    right = min(int(np.ceil((box.right - part.left) * part.across)), width)
    bottom = min(int(np.ceil((box.bottom - part.top) * part.down)), height)
    return Part(
        pixels=part.pixels[top:bottom, left:right],
        left=part.left + left / part.across,
        top=part.top + top / part.down,
        across=part.across,
        down=part.down,
        extent=part.extent,
    )


def _coarser(part: Part, geometry: Geometry) -> Part:
    """Halved along each side as often as the result is that much coarser."""
    scale = fineness(geometry)
    across, down = scale.across / part.across, scale.down / part.down
    if min(across, down) > HALVED:
        return part
    pixels = part.pixels
    reached = [part.across, part.down]
    while True:
        height, width = pixels.shape[:2]
        halves = (across <= HALVED and width > 1, down <= HALVED and height > 1)
        if not any(halves):
            break
        pixels = halved(pixels, across=halves[0], down=halves[1])
        across, down = across * (1 + halves[0]), down * (1 + halves[1])
        reached = [side / (1 + half) for side, half in zip(reached, halves, strict=True)]
    return Part(
        pixels=pixels,
        left=part.left,
        top=part.top,
        across=reached[0],
        down=reached[1],
        extent=part.extent,
    )


def _from_part(part: Part, matrix: Matrix) -> Matrix:
    """The map from pixels of the part."""
    if part.left == part.top == 0.0 and part.across == part.down == 1.0:
        return matrix
    place = [[1 / part.across, 0.0, part.left], [0.0, 1 / part.down, part.top], [0.0, 0.0, 1.0]]
    found: Matrix = matrix @ np.array(place)
    return found


def _three(pixels: Pixels) -> Pixels:
    if pixels.shape[2] == 3:
        return pixels
    found: Pixels = opencv().cvtColor(pixels, opencv().COLOR_RGBA2RGB)
    return found


def _border(border: str | int) -> tuple[int, tuple[int, int, int, int]]:
    cv2 = opencv()
    if isinstance(border, int):
        return cv2.BORDER_CONSTANT, (border, border, border, 0)
    return (cv2.BORDER_REFLECT_101 if border == "reflect" else cv2.BORDER_REPLICATE), (0, 0, 0, 0)
