"""A part of a picture, read no finer than it is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers.orientation import ORIENTATIONS, oriented
from anysize.readers.resize import StripResizer
from anysize.readers.strips import StripReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pixels of a part of a picture, perhaps shrunk.

    Attributes:
        pixels: uint8 ``[h, w, 3]``; not to be changed.
        left, top: where the part begins, in pixels of the picture. A part that was shrunk may
            begin up to one of its own pixels outside of the picture.
        across, down: pixels of the part for a pixel of the picture, 1 or less.
        extent: ``(width, height)`` of the picture.
    """

    pixels: NDArray[np.uint8]
    left: float
    top: float
    across: float
    down: float
    extent: tuple[int, int]

    @classmethod
    def whole(cls, pixels: NDArray[np.uint8]) -> Part:
        """All of a picture."""
        extent = (pixels.shape[1], pixels.shape[0])
        return cls(pixels=pixels, left=0.0, top=0.0, across=1.0, down=1.0, extent=extent)


def read_part(image: ImageField, box: Box, across: float = 1.0, down: float = 1.0) -> Part:
    """A part of a picture.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that is fine enough. The
    part may be larger than what was asked for.

    Args:
        image: read in bounded memory: that of the part, or of a picture that is small anyway.
        box: what is needed, in pixels of the picture.
        across: how finely it is needed, 1 or less: so many pixels for a pixel of the picture.
        down: the same for rows.

    Raises:
        DataError: damaged or truncated.
    """
    if hasattr(image, "part"):
        found: Part = image.part(box, across, down)
        return found
    (pixels,) = image.regions([box])
    return Part(
        pixels=pixels, left=box.left, top=box.top, across=1.0, down=1.0, extent=image.extent
    )


def jpeg_shrink(across: float, down: float) -> int:
    """The part of its size at which a JPEG is decoded: as coarse as allowed."""
    finest = max(across, down)
    return next((factor for factor in (8, 4, 2) if factor * finest <= 1), 1)


def decoded_part(
    stored: NDArray[np.uint8], orientation: int, shrink: int, extent: tuple[int, int]
) -> Part:
    """All that was decoded of a picture at ``1 / shrink`` of its size, as displayed.

    Of one that is not turned, rows at the end may be missing.
    """
    pixels = oriented(stored, orientation) if orientation != 1 else stored
    _, rows, columns = ORIENTATIONS[orientation]
    # The pixel that was rounded up to is stored last; where sides change places it is seen first.
    left = extent[0] - pixels.shape[1] * shrink if columns else 0
    top = extent[1] - pixels.shape[0] * shrink if rows else 0
    return Part(
        pixels=pixels, left=left, top=top, across=1 / shrink, down=1 / shrink, extent=extent
    )


def strips_part(
    reader: StripReader,
    box: Box,
    shrink: int,
    fineness: tuple[float, float],
) -> tuple[NDArray[np.uint8], Box]:
    """A part of a picture that is too large to hold, as stored, and the box that it covers.

    Args:
        reader: of the picture at ``1 / shrink`` of its size.
        box: in pixels of the whole picture, as stored.
        shrink: see there.
        fineness: across and down, as stored.
    """
    left, top = box.left // shrink, box.top // shrink
    right = min(-(-box.right // shrink), reader.width)
    bottom = min(-(-box.bottom // shrink), reader.height)
    # Twice as fine as needed: what is left to the warp is then a half, where it filters well.
    across, down = (min(2 * shrink * scale, 1.0) for scale in fineness)
    width = max(math.ceil((right - left) * across), 1)
    height = max(math.ceil((bottom - top) * down), 1)
    resizer = StripResizer((right - left, bottom - top), width, height)
    at = 0
    for strip in reader.strips():
        rows = strip[max(top - at, 0) : bottom - at, left:right]
        at += len(strip)
        if len(rows):
            resizer.add(np.ascontiguousarray(rows))
        if at >= bottom:
            break
    return resizer.finish(), Box(left * shrink, top * shrink, right * shrink, bottom * shrink)
