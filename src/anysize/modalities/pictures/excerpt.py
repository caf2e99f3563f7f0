"""Thumbnails of pictures for reports."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.core.excerpts import Excerpt
from anysize.core.records import ImageField

SIDE = 176
_SMALL = 96
_OUTLINE = np.array([220, 38, 38], dtype=np.uint8)


def excerpt_of(field: ImageField, region: Mapping[str, int], side: int = SIDE) -> Excerpt:
    """The whole picture small, the most confident window's tile outlined where it is known."""
    width, height = field.extent
    scale = min(1.0, side / max(width, height))
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = np.array(field.resized(across, down))
    where = f"{width:,} × {height:,} pixels"
    whole = {"left": 0, "top": 0, "right": width, "bottom": height}
    if "left" in region and dict(region) != whole:
        _outline(pixels, region, across / width, down / height)
        where += ", most confident tile outlined"
    data, media_type = _encoded(pixels)
    return Excerpt(image=data, media_type=media_type, where=where)


def _outline(pixels: NDArray[np.uint8], region: Mapping[str, int], x: float, y: float) -> None:
    """Draws the region's border, two pixels wide, into ``[height, width, 3]``."""
    left, top = int(region["left"] * x), int(region["top"] * y)
    right, bottom = (
        max(round(region["right"] * x), left + 2),
        max(round(region["bottom"] * y), top + 2),
    )
    area = pixels[top:bottom, left:right]
    for border in (area[:2], area[-2:], area[:, :2], area[:, -2:]):
        border[:] = _OUTLINE


def _encoded(pixels: NDArray[np.uint8]) -> tuple[bytes, str]:
    """Small pictures keep every pixel (PNG); larger ones are photographs to the eye (JPEG)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "report") from error
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels)
    if max(pixels.shape[:2]) <= _SMALL:
        picture.save(buffer, "PNG", optimize=True)
        return buffer.getvalue(), "image/png"
    picture.save(buffer, "JPEG", quality=82)
    return buffer.getvalue(), "image/jpeg"
