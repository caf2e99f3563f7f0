"""Excerpts of records for the report: a piece of text or a thumbnail, of bounded size."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.core.records import FeaturesField, ImageField, Record, TextField
from anysize.evaluation.mistakes import Excerpt, ExcerptReader, Mistake

CHARACTERS = 600
SIDE = 176
_SMALL = 96
_OUTLINE = np.array([220, 38, 38], dtype=np.uint8)


def excerpt_reader(record_at: Callable[[int], Record], role: str | None = None) -> ExcerptReader:
    """Shows the records of a source.

    Args:
        record_at: the record at an ordinal of the evaluated stream.
        role: which field to show (``text``, ``image``); None is the first.

    A record that cannot be read any more is shown by the reason why.
    """

    def read(mistake: Mistake) -> Excerpt:
        try:
            fields = record_at(mistake.ordinal).fields
            field = fields[role or next(iter(fields))]
            if isinstance(field, TextField):
                return text_excerpt(field, mistake)
            if isinstance(field, FeaturesField):
                return feature_excerpt(field)
            if hasattr(field, "resized"):
                return image_excerpt(cast(ImageField, field), mistake)
            return Excerpt(where=field.origin)
        except DataError as error:
            return Excerpt(where=f"cannot be shown: {error.problem}")

    return read


def text_excerpt(field: TextField, mistake: Mistake, characters: int = CHARACTERS) -> Excerpt:
    """The start of the most confident window where it is known, else of the document."""
    region = mistake.region or {}
    start = region.get("start", 0)
    stop = min(region.get("stop", start + characters), start + characters)
    text = field.read(start, stop + 1)
    cut = len(text) > stop - start
    text = text[: stop - start]
    shown = f"{'…' if start else ''}{text}{'…' if cut else ''}"
    if "start" in region:
        where = f"from character {start:,}, where the most confident window begins"
    else:
        where = f"the first {len(text):,} characters" if cut else ""
    return Excerpt(text=shown, where=where)


def feature_excerpt(field: FeaturesField, most: int = 24) -> Excerpt:
    """The first numbers, with their names where they have some."""
    shape = field.shape
    values = field.read(0, min(shape[0], most)).reshape(-1)[:most].tolist()
    names = field.names or ("",) * len(values)
    shown = ", ".join(
        f"{name} {value:.4g}".strip() for name, value in zip(names, values, strict=False)
    )
    more = ", …" if int(np.prod(shape)) > len(values) else ""
    sizes = " × ".join(f"{size:,}" for size in shape)
    return Excerpt(text=shown + more, where=f"{sizes} numbers")


def image_excerpt(field: ImageField, mistake: Mistake, side: int = SIDE) -> Excerpt:
    """The whole picture small, the most confident window's tile outlined where it is known."""
    width, height = field.extent
    scale = min(1.0, side / max(width, height))
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = np.array(field.resized(across, down))
    region = mistake.region or {}
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
