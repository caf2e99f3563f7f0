"""The input of the small detector: its size, by the pictures and their objects."""

from __future__ import annotations

import math

from anysize.modalities.pictures.settings import ImageSettings

STRIDES = (8, 16, 32)
_PIXELS = 320 * 416
# Objects need no more than this many pixels of a side to be distinguished.
_ENOUGH = 56.0
# Of a larger picture a tile shows this many times the input's side at most.
_TILED_FROM = 2


def input_settings(
    typical: tuple[int, int] | None,
    objects: float | None,
    wanted: tuple[int, int] | None = None,
) -> ImageSettings:
    """The input, in the shape of the typical picture.

    It has about 133,000 pixels; half or a quarter of the side's where objects are large, since a
    smaller input is faster to train on by the same factor and brings large objects into the reach
    of few layers.

    Args:
        typical: ``(width, height)`` of a picture; None is a square.
        objects: side of the smaller objects, as a part of their picture's side; None for unknown.
        wanted: ``(width, height)`` that was asked for.
    """
    pixels = float(_PIXELS)
    if objects is not None:
        side = objects * math.sqrt(_PIXELS)
        pixels *= min(max(_ENOUGH / side, 0.5), 1.0) ** 2
    width, height = wanted or _size(typical, pixels)
    # Where even the smaller objects are large, nothing is gained by looking closer.
    most = math.inf if pixels < _PIXELS else _TILED_FROM * width
    tile = width if typical is None else int(max(min(typical[0], most), width))
    return ImageSettings(width=width, height=height, tile=tile, overlap=tile // 4)


def _size(typical: tuple[int, int] | None, pixels: float) -> tuple[int, int]:
    """Width and height in whole steps of the coarsest level."""
    width, height = typical or (1, 1)
    factor = math.sqrt(pixels / (width * height))
    step = STRIDES[-1]
    across, down = (max(round(side * factor / step), 2) * step for side in (width, height))
    return across, down
