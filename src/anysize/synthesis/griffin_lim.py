"""From frames of a log-mel spectrum to samples (Griffin and Lim 1984), by numpy alone.

The phases are found by going back and forth between spectrum and samples, faster with a part of the
step before (Perraudin et al. 2013, "A fast Griffin-Lim algorithm").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anysize.readers.spectra.front import FrontEnd

STEPS = 48
_MOMENTUM = 0.99
_INVERSIONS = 24
_TINY = 1e-10


def samples_of(
    frames: NDArray[np.float32], front: FrontEnd, *, seed: int = 0, steps: int = STEPS
) -> NDArray[np.float32]:
    """The samples of frames, ``[hop * frames]``.

    Args:
        frames: logarithms of energies ``[frames, mels]``, as ``front`` makes them.
        front: centred, of natural logarithms, without cepstra and emphasis.
        seed: of the phases that are begun with.
        steps: of the search.
    """
    if not len(frames):
        return np.zeros(0, np.float32)
    sizes = np.sqrt(powers(frames, front))
    random = np.random.default_rng(seed)
    angles = np.exp(2j * np.pi * random.random(sizes.shape))
    taper = _taper(front.length)
    last: NDArray[Any] = np.zeros_like(angles)
    for _ in range(steps):
        rebuilt = _spectrum(_samples(sizes * angles, front, taper), front, taper, len(frames))
        moved = rebuilt + _MOMENTUM * (rebuilt - last)
        last = rebuilt
        angles = moved / np.maximum(np.abs(moved), _TINY)
    found = _samples(sizes * angles, front, taper)
    margin = front.length // 2
    return found[margin : margin + front.hop * len(frames)].astype(np.float32)


def powers(frames: NDArray[np.float32], front: FrontEnd) -> NDArray[np.float64]:
    """Power spectra ``[frames, bins]`` whose filtered energies are near those of the frames.

    Multiplicative updates, which keep them positive (Lee and Seung 2001).
    """
    matrix = _matrix(front)
    energies = np.exp(frames.astype(np.float64))
    gram = matrix @ matrix.T
    target = energies @ matrix.T
    found: NDArray[np.float64] = target / np.maximum(matrix.sum(1), _TINY) ** 2
    for _ in range(_INVERSIONS):
        found *= target / np.maximum(found @ gram, _TINY)
    return found


@lru_cache(maxsize=8)
def _filters(front: FrontEnd) -> NDArray[np.float64]:
    found: NDArray[np.float64] = front.bank.matrix(front.fft // 2 + 1, front.rate)
    return found


def _matrix(front: FrontEnd) -> NDArray[np.float64]:
    return _filters(front)


def _taper(length: int) -> NDArray[np.float64]:
    return np.hanning(length + 1)[:-1]


def _spectrum(
    samples: NDArray[np.float64], front: FrontEnd, taper: NDArray[np.float64], count: int
) -> NDArray[Any]:
    cut = sliding_window_view(samples, front.length)[:: front.hop][:count]
    found: NDArray[Any] = np.fft.rfft(cut * taper, front.fft)
    return found


def _samples(
    spectrum: NDArray[Any], front: FrontEnd, taper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Overlapped and added, by the squared taper; with the margins of the first and last frame."""
    pieces = np.fft.irfft(spectrum, front.fft)[:, : front.length] * taper
    size = front.hop * (len(pieces) - 1) + front.length
    found, weight = np.zeros(size), np.zeros(size)
    squared = taper**2
    for place, piece in enumerate(pieces):
        begin = place * front.hop
        found[begin : begin + front.length] += piece
        weight[begin : begin + front.length] += squared
    return found / np.maximum(weight, 1e-3)
