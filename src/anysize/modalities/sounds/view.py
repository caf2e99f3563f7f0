"""Recordings to look at: the waveform above the log-mel spectrum, as a small picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.readers.spectra.front import log_mel
from anysize.readers.spectra.stream import frames

MELS = 64
_WAVE = 32
"""Rows of the waveform."""
_RANGE = 14.0
"""Of the logarithms that are shown, below the loudest: 60 decibels."""
# Dark to light, so that they stay apart in grey and for the colour-blind.
_ANCHORS = np.array(
    [(0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)]
)
_INK = 255


def palette() -> NDArray[np.uint8]:
    """256 colours ``[256, 3]``; the last one is that of the waveform."""
    places = np.linspace(0, len(_ANCHORS) - 1, _INK)
    rows = [np.interp(places, np.arange(len(_ANCHORS)), part) for part in _ANCHORS.T]
    colours = np.stack(rows, axis=1).round().astype(np.uint8)
    return np.concatenate([colours, np.array([[120, 170, 255]], np.uint8)])


def levels(samples: NDArray[np.float32], rate: int, width: int) -> NDArray[np.uint8]:
    """Numbers of colours ``[rows, width]``: the waveform, and the spectrum with low pitches below.

    Args:
        samples: ``[n]``, at least one.
        rate: of them, a second.
        width: columns.
    """
    spectrum = np.concatenate(list(frames([samples], log_mel(rate, MELS))))
    return np.concatenate([_waveform(samples, width), shades(spectrum, width)])


def shades(spectrum: NDArray[np.float32], width: int) -> NDArray[np.uint8]:
    """Numbers of colours ``[mels, width]`` of frames ``[n, mels]``."""
    top = float(spectrum.max())
    share = np.clip((spectrum - (top - _RANGE)) / _RANGE, 0.0, 1.0)
    columns = _columns(share, width, np.maximum)
    return (columns.T[::-1] * (_INK - 1)).astype(np.uint8)


def png(colours: NDArray[np.uint8]) -> bytes:
    """Numbers of colours as a file.

    Raises:
        MissingExtraError: pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "report") from error
    picture = Image.fromarray(colours)
    picture.putpalette(palette().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _waveform(samples: NDArray[np.float32], width: int) -> NDArray[np.uint8]:
    peak = max(float(np.abs(samples).max()), 1e-4)
    values = samples[:, None]
    high = _columns(values, width, np.maximum)[:, 0] / peak
    low = _columns(values, width, np.minimum)[:, 0] / peak
    rows = 1 - 2 * (np.arange(_WAVE) + 0.5) / _WAVE
    half = 1 / _WAVE
    inside = (rows[:, None] <= high + half) & (rows[:, None] >= low - half)
    return np.where(inside, _INK, 0).astype(np.uint8)


def _columns(values: NDArray[np.float32], width: int, joined: np.ufunc) -> NDArray[np.float32]:
    """Rows ``[n, k]`` as ``width`` of them: neighbours joined, or rows repeated."""
    count = len(values)
    if count <= width:
        found: NDArray[np.float32] = values[np.arange(width) * count // width]
        return found
    starts = np.arange(width) * count // width
    return np.asarray(joined.reduceat(values, starts, axis=0))
