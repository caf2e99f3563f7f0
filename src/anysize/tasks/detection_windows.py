"""Pictures to windows for detectors: whole where they are small, else tiles and the shrunk whole.

A window shows its region without distortion: what is not as wide or high as the model's input is
padded at the right or the bottom, and the region reaches beyond the picture there. So a place in
the input is always the same part of the region.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.modalities.pictures.settings import ImageSettings
from anysize.readers.reduced import reduced
from anysize.readers.resize import resize
from anysize.windows.boxes import tiles

PADDING = 128
"""The level beside a picture that does not fill the input: grey."""

# A picture is cut when it is this much larger than a tile.
_TILED_ABOVE = 1.5
_NOTHING = Box(0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one window lies.

    Attributes:
        part: of the picture that it shows.
        region: with padding, in the shape of the input.
        core: what the window owns; empty for the shrunk whole beside tiles.
        last: whether it is the picture's last window.
    """

    part: Box
    region: Box
    core: Box
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Place):
    """A window and the pixels of its part, uint8 ``[h, w, 3]``, perhaps shrunk already."""

    pixels: NDArray[np.uint8]


def tile_size(settings: ImageSettings) -> tuple[int, int]:
    """``(width, height)`` of a tile in picture pixels; it has the shape of the input."""
    width = settings.tile or settings.width
    return width, max(round(width * settings.height / settings.width), 1)


def is_tiled(width: int, height: int, settings: ImageSettings) -> bool:
    """Whether a picture of this size is cut into tiles."""
    across, down = tile_size(settings)
    factor = {"auto": _TILED_ABOVE, "always": 1.0, "never": math.inf}[settings.tiles]
    return width > factor * across or height > factor * down


def padded(part: Box, settings: ImageSettings) -> Box:
    """The smallest region in the shape of the input with the part at its top left."""
    width = max(part.width, math.ceil(part.height * settings.width / settings.height))
    height = max(part.height, math.ceil(part.width * settings.height / settings.width))
    return Box(part.left, part.top, part.left + width, part.top + height)


def fitted_size(part: Box, region: Box, settings: ImageSettings) -> tuple[int, int]:
    """``(width, height)`` of the part in the model's input."""
    return (
        max(min(round(part.width * settings.width / region.width), settings.width), 1),
        max(min(round(part.height * settings.height / region.height), settings.height), 1),
    )


def letterboxed(pixels: NDArray[np.uint8], settings: ImageSettings) -> NDArray[np.uint8]:
    """Pixels that fit into the model's input, with padding at the right and the bottom."""
    height, width = pixels.shape[:2]
    if (width, height) == (settings.width, settings.height):
        return np.ascontiguousarray(pixels)
    canvas = np.full((settings.height, settings.width, 3), PADDING, np.uint8)
    canvas[:height, :width] = pixels
    return canvas


def views(image: ImageField, settings: ImageSettings) -> Iterator[View]:
    """The windows of a picture: one, or the shrunk whole and then tiles row by row.

    Memory is bounded by a row of tiles; the pixels of the whole are already at the input's size.

    Raises:
        DataError: the picture cannot be read.
    """
    whole = place_of_whole(image.extent, settings)
    yield _view(whole, image.resized(*fitted_size(whole.part, whole.region, settings)))
    if not whole.last:
        yield from _tiles(image, settings)


def place_of_whole(extent: tuple[int, int], settings: ImageSettings) -> Place:
    """The window over a whole picture; it owns all of it, or nothing beside tiles."""
    part = Box(0, 0, *extent)
    cut = is_tiled(*extent, settings)
    return Place(
        part=part, region=padded(part, settings), core=_NOTHING if cut else part, last=not cut
    )


def _tiles(image: ImageField, settings: ImageSettings) -> Iterator[View]:
    across, down = tile_size(settings)
    # What is shrunk for the input anyway is decoded no finer than that needs.
    picture = reduced(image, across / settings.width)
    width, height = picture.extent
    # A picture may be narrower than a tile, and a tile lower than the overlap asked for.
    wide = min(max(across // picture.factor, 1), width)
    high = min(max(down // picture.factor, 1), height)
    overlap = min(-(-settings.overlap // picture.factor), min(wide, high) // 2)
    laid = tiles(width, height, wide, high, overlap)
    parts = (part for part, _ in tiles(width, height, wide, high, overlap))
    for (part, core), pixels in zip(laid, picture.regions(parts), strict=True):
        shown = picture.box(part)
        place = Place(
            part=shown,
            region=padded(shown, settings),
            core=picture.box(core),
            last=core.right == width and core.bottom == height,
        )
        yield _view(place, pixels)


def _view(place: Place, pixels: NDArray[np.uint8]) -> View:
    return View(
        part=place.part, region=place.region, core=place.core, last=place.last, pixels=pixels
    )


def as_input(view: View, settings: ImageSettings) -> NDArray[np.uint8]:
    """The view's pixels as the model's input, uint8 ``[height, width, 3]``."""
    width, height = fitted_size(view.part, view.region, settings)
    pixels = view.pixels
    if pixels.shape[:2] != (height, width):
        pixels = resize(pixels, width, height)
    return letterboxed(pixels, settings)
