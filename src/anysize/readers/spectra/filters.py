"""Filter banks on the mel scale, and the cosine transform of their logarithms.

The scales are those in use: ``htk`` and ``kaldi`` (O'Shaughnessy 1987, "Speech Communication",
in the two ways of writing it) and ``slaney`` (Slaney 1998, "Auditory Toolbox": linear below 1 kHz).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["htk", "kaldi", "slaney"]

_LINEAR_TO = 1000.0
_LINEAR_STEP = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Triangular filters, evenly spread on a mel scale.

    Attributes:
        count: how many.
        low: Hz where the first one begins.
        high: Hz where the last one ends; 0 is half the rate.
        scale: of mels.
        even: whether each filter has the same area (Slaney) instead of the same height.
        in_mels: whether the sides of the triangles are straight in mels (Kaldi) instead of in Hz.
    """

    count: int
    low: float = 0.0
    high: float = 0.0
    scale: Scale = "htk"
    even: bool = False
    in_mels: bool = False

    def matrix(self, bins: int, rate: int) -> NDArray[np.float64]:
        """What each frequency adds to each filter, ``[bins, count]``.

        Args:
            bins: frequencies from 0 to half the rate.
            rate: samples a second.
        """
        high = self.high or rate / 2
        ends = to_mels(np.array([self.low, high]), self.scale)
        mels = np.linspace(ends[0], ends[1], self.count + 2)
        edges = mels if self.in_mels else to_hertz(mels, self.scale)
        places = np.linspace(0, rate / 2, bins)
        if self.in_mels:
            places = to_mels(places, self.scale)
        widths = np.diff(edges)
        slopes = edges[None, :] - places[:, None]
        found: NDArray[np.float64] = np.maximum(
            0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:])
        )
        if self.even:
            found *= 2.0 / (edges[2:] - edges[:-2])
        return found


def to_mels(hertz: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Frequencies in mels."""
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    if scale == "kaldi":
        return np.asarray(1127.0 * np.log1p(hertz / 700.0))
    above = np.maximum(hertz, _LINEAR_TO)
    bent = _LINEAR_TO / _LINEAR_STEP + np.log(above / _LINEAR_TO) / _LOG_STEP
    return np.where(hertz < _LINEAR_TO, hertz / _LINEAR_STEP, bent)


def to_hertz(mels: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Mels as frequencies."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    if scale == "kaldi":
        return np.asarray(700.0 * np.expm1(mels / 1127.0))
    bend = _LINEAR_TO / _LINEAR_STEP
    bent = _LINEAR_TO * np.exp(_LOG_STEP * (np.maximum(mels, bend) - bend))
    return np.where(mels < bend, _LINEAR_STEP * mels, bent)


def cosines(count: int, kept: int) -> NDArray[np.float64]:
    """The first ``kept`` columns of the orthonormal cosine transform (DCT-II), ``[count, kept]``.

    Logarithms of a filter bank times this are cepstra (Davis and Mermelstein 1980).
    """
    places = (np.arange(count) + 0.5)[:, None] * np.arange(kept)[None, :]
    found: NDArray[np.float64] = np.sqrt(2.0 / count) * np.cos(np.pi / count * places)
    found[:, 0] = np.sqrt(1.0 / count)
    return found
