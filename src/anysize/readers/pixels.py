"""Samples of any kind to 8-bit RGB: the one definition for whole pictures and for bands of them.

- 16 bits a sample: the upper 8 are taken.
- Grey: the value three times.
- Alpha: composited on white.
- CMYK: ``(255 - c)(255 - k) / 255`` for each colour, without a colour profile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
"""How stored rows and columns become displayed ones (EXIF 2.32, tag 274)."""


def to_rgb(samples: NDArray[Any], cmyk: bool = False) -> NDArray[np.uint8]:
    """uint8 ``[h, w, 3]`` of uint8 or uint16 ``[h, w]`` or ``[h, w, bands]``.

    Bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha, or with ``cmyk`` 4 inks (0 is
    no ink) and perhaps alpha. Further bands are ignored.
    """
    if samples.ndim == 2:
        samples = samples[:, :, None]
    if samples.dtype == np.uint16:
        samples = (samples >> 8).astype(np.uint8)
    bands = samples.shape[2]
    colours = 4 if cmyk else 3 if bands >= 3 else 1
    colour: NDArray[np.uint8] = samples[:, :, :colours]
    if cmyk:
        paper = 255 - colour[:, :, :3].astype(np.uint16)
        paper *= 255 - colour[:, :, 3:].astype(np.uint16)
        colour = _divided(paper)
    if bands > colours:
        alpha = samples[:, :, colours : colours + 1]
        if not (alpha == 255).all():
            mixed = colour.astype(np.uint16) * alpha
            mixed += 255 * (255 - alpha.astype(np.uint16))
            colour = _divided(mixed)
    if colour.shape[2] == 1:
        return np.repeat(colour, 3, axis=2)
    return np.ascontiguousarray(colour)


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


def _divided(product: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """``product / 255`` rounded to the nearest, for products of two bytes."""
    wide = product.astype(np.uint32) + 128
    return ((wide + (wide >> 8)) >> 8).astype(np.uint8)
