"""Samples to 8-bit RGB: the one definition for whole pictures and for bands of them.

- Grey: the value three times.
- Alpha: composited on white.
- CMYK: ``(255 - c)(255 - k) / 255`` for each colour, without a colour profile.
- More than 8 bits, floating point: ``anysize.readers.scaling``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.readers.scaling import AS_IT_IS, Scale

_ROWS = 1 << 18
"""Pixels that are composited at a time: what that takes besides is 40 times as many bytes."""

BEHIND_COLOURS = 0
NO_ALPHA = -1


def to_rgb(
    samples: NDArray[Any],
    cmyk: bool = False,
    *,
    alpha: int = BEHIND_COLOURS,
    scale: Scale = AS_IT_IS,
    alpha_scale: Scale = AS_IT_IS,
) -> NDArray[np.uint8]:
    """uint8 ``[h, w, 3]`` of samples ``[h, w]`` or ``[h, w, bands]``.

    Args:
        samples: 1 band is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha, or with ``cmyk`` 4 inks
            (0 is no ink) and perhaps alpha.
        cmyk: whether colours are inks.
        alpha: which of the bands behind the colours is alpha, from 0; the others are ignored.
            ``NO_ALPHA`` ignores all.
        scale: of the colours, where they are not bytes.
        alpha_scale: of alpha.
    """
    if samples.ndim == 2:
        samples = samples[:, :, None]
    colours = colour_bands(samples.shape[2], cmyk)
    behind = colours + alpha if alpha != NO_ALPHA else -1
    if samples.dtype == np.uint8 and not cmyk and (behind < 0 or behind >= samples.shape[2]):
        return _three(samples[:, :, :colours])
    result = np.empty((*samples.shape[:2], 3), np.uint8)
    rows = max(_ROWS // max(samples.shape[1], 1), 1)
    for top in range(0, len(samples), rows):
        some = samples[top : top + rows]
        colour = scale.bytes(some[:, :, :colours])
        if cmyk:
            paper = 255 - colour[:, :, :3].astype(np.uint16)
            paper *= 255 - colour[:, :, 3:].astype(np.uint16)
            colour = _divided(paper)
        if 0 <= behind < samples.shape[2]:
            colour = _on_white(colour, alpha_scale.bytes(some[:, :, behind : behind + 1]))
        result[top : top + rows] = colour
    return result


def from_ycbcr(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB of brightness and colours ``[h, w, 3]`` (ITU-R BT.601, full range, as in JFIF)."""
    values = pixels.astype(np.float32) - np.array([0, 128, 128], np.float32)
    matrix = np.array([[1, 1, 1], [0, -0.344136, 1.772], [1.402, -0.714136, 0]], np.float32)
    found: NDArray[np.uint8] = np.clip(np.rint(values @ matrix), 0, 255).astype(np.uint8)
    return found


def colour_bands(bands: int, cmyk: bool) -> int:
    """How many of the bands are colours."""
    return 4 if cmyk else 3 if bands >= 3 else 1


def _three(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if colour.shape[2] == 1:
        return np.repeat(colour, 3, axis=2)
    return np.ascontiguousarray(colour)


def _on_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if (alpha == 255).all():
        return colour
    mixed = colour.astype(np.uint16) * alpha
    mixed += 255 * (255 - alpha.astype(np.uint16))
    return _divided(mixed)


def _divided(product: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """``product / 255`` rounded to the nearest, for products of two bytes."""
    wide = product.astype(np.uint32) + 128
    return ((wide + (wide >> 8)) >> 8).astype(np.uint8)
