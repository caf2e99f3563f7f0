"""The centre of a picture without distortion: how classifiers of ImageNet are measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers.parts import read_part
from anysize.readers.resize import resize

_LONGEST = 4.0
"""Pictures longer than this many times their shorter side are not resized as a whole."""


def read_centre(
    image: ImageField, width: int, height: int, crop: float
) -> tuple[NDArray[np.uint8], Box]:
    """The centre of a picture at ``width`` x ``height`` pixels, and the box that was read.

    The whole is resized until it covers ``width / crop`` x ``height / crop`` pixels, and the centre
    of that is cut out: with 224 pixels and a crop of 0.875, the shorter side becomes 256.

    Args:
        image: read in bounded memory, whatever its shape.
        width: of the result.
        height: of the result.
        crop: how much of the picture is read, as a part of its shorter side; above 0, at most 1.

    Returns:
        uint8 ``[height, width, 3]``, and the box in pixels of the picture.

    Raises:
        DataError: damaged or truncated.
    """
    across, down = image.extent
    scale = max(width / across, height / down) / crop
    whole = max(round(across * scale), width), max(round(down * scale), height)
    left, top = (whole[0] - width) // 2, (whole[1] - height) // 2
    box = _box(left / whole[0], top / whole[1], width / whole[0], height / whole[1], (across, down))
    if max(whole) <= _LONGEST * min(whole):
        pixels = image.resized(*whole)[top : top + height, left : left + width]
        return np.ascontiguousarray(pixels), box
    fine = min(scale, 1.0)
    part = read_part(image, box, fine, fine)
    rows = _span((box.top - part.top) * part.down, box.height * part.down, len(part.pixels))
    columns = _span(
        (box.left - part.left) * part.across, box.width * part.across, part.pixels.shape[1]
    )
    return resize(np.ascontiguousarray(part.pixels[rows, columns]), width, height), box


def _box(left: float, top: float, width: float, height: float, extent: tuple[int, int]) -> Box:
    """A box given in parts of the picture, in whole pixels of it, at least one."""
    first, last = round(left * extent[0]), round((left + width) * extent[0])
    upper, lower = round(top * extent[1]), round((top + height) * extent[1])
    first, upper = min(first, extent[0] - 1), min(upper, extent[1] - 1)
    return Box(first, upper, max(last, first + 1), max(lower, upper + 1))


def _span(start: float, length: float, limit: int) -> slice:
    first = min(max(round(start), 0), limit - 1)
    return slice(first, min(max(round(start + length), first + 1), limit))
