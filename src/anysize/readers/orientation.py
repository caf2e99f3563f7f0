"""How stored rows and columns become displayed ones (EXIF 2.32, tag 274)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from anysize.core.windows import Box

ORIENTATIONS = {
    # EXIF value: (transpose, then flip rows, then flip columns)
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def oriented(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Stored pixels as displayed."""
    transpose, rows, columns = ORIENTATIONS[orientation]
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    if rows:
        pixels = pixels[::-1]
    if columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def transposed(sides: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height as displayed of those stored, or the other way round."""
    return sides[::-1] if ORIENTATIONS[orientation][0] else sides


def stored_box(orientation: int, extent: tuple[int, int]) -> Callable[[Box], Box]:
    """Maps a displayed box to the stored one.

    Args:
        orientation: EXIF value 1 to 8.
        extent: ``(width, height)`` as displayed.
    """
    transpose, _, _ = ORIENTATIONS[orientation]

    def place(box: Box) -> Box:
        left, top, right, bottom = _flipped(box, orientation, extent)
        return Box(top, left, bottom, right) if transpose else Box(left, top, right, bottom)

    return place


def displayed_box(orientation: int, extent: tuple[int, int]) -> Callable[[Box], Box]:
    """Maps a stored box to the displayed one; the arguments are those of `stored_box`."""
    transpose, _, _ = ORIENTATIONS[orientation]

    def place(box: Box) -> Box:
        if transpose:
            box = Box(box.top, box.left, box.bottom, box.right)
        return Box(*_flipped(box, orientation, extent))

    return place


def _flipped(box: Box, orientation: int, extent: tuple[int, int]) -> tuple[int, int, int, int]:
    _, rows, columns = ORIENTATIONS[orientation]
    width, height = extent
    left, right = (width - box.right, width - box.left) if columns else (box.left, box.right)
    top, bottom = (height - box.bottom, height - box.top) if rows else (box.top, box.bottom)
    return left, top, right, bottom
