"""Samples of other kinds than eight bits, brought to eight by what the picture holds.

Sixteen-bit samples often use fewer bits (cameras and scanners give 10, 12 or 14), and there is no
agreed range of floating-point ones. The whole picture decides, so that its tiles are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITS = (8, 10, 12, 14)
_FULL = 1 << 14
"""A sample of 16 bits from here on uses all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How samples become bytes.

    Attributes:
        shift: of unsigned integers, to the right; None where ``low`` and ``high`` say it.
        low, high: what becomes 0 and 255.
        note: a sentence for the receipt; empty where there is nothing to say.
    """

    shift: int | None = None
    low: float = 0.0
    high: float = 255.0
    note: str = ""

    def bytes(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        """Of any shape; a sample that is no number becomes 0."""
        if samples.dtype == np.uint8:
            return samples
        if self.shift is not None:
            shifted = samples >> self.shift
            return np.asarray(np.minimum(shifted, 255), dtype=np.uint8)
        values = samples.astype(np.float32)
        values -= np.float32(self.low)
        values *= np.float32(255 / ((self.high - self.low) or 1.0))
        np.nan_to_num(values, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        np.clip(values, 0, 255, out=values)
        return np.rint(values).astype(np.uint8)


AS_IT_IS = Scale(shift=8)
"""Eight bits as they are, sixteen by their upper eight."""


class Range:
    """The least and the greatest of samples that come piece by piece."""

    def __init__(self) -> None:
        self._low = np.inf
        self._high = -np.inf
        self._kind = np.dtype(np.uint8)
        self._missing = 0

    def add(self, samples: NDArray[Any]) -> None:
        """Some samples of the picture; those that are no finite number are left out."""
        self._kind = samples.dtype
        if samples.dtype.kind == "f":
            count = samples.size
            samples = samples[np.isfinite(samples)]
            self._missing += count - samples.size
        if samples.size:
            self._low = min(self._low, float(samples.min()))
            self._high = max(self._high, float(samples.max()))

    @property
    def settled(self) -> bool:
        """Whether further samples can change nothing."""
        return self._kind == np.uint8 or (self._kind == np.uint16 and self._high >= _FULL)

    def scale(self) -> Scale:
        """How the samples become bytes."""
        if self._kind == np.uint8:
            return AS_IT_IS
        missing = f"{self._missing} samples are no numbers" if self._missing else ""
        if self._high < self._low:
            return Scale(low=0.0, high=1.0, note=f"all {missing}")
        high = self._high
        if self._kind == np.uint16:
            bits = next((bits for bits in _BITS if high < 1 << bits), 16)
            used = f"samples use {bits} of 16 bits and are scaled by them"
            return Scale(shift=bits - 8, note=used if bits < 16 else "")
        name = f"{self._kind} samples from {self._low:.4g} to {high:.4g}"
        missing = f"; {missing} and are read as 0" if missing else ""
        if self._low >= 0 and high <= 255:
            top = 1.0 if high <= 1 and self._kind.kind == "f" else 255.0
            return Scale(low=0.0, high=top, note=f"{name} are read as 0 to {top:g}{missing}")
        return Scale(low=self._low, high=high, note=f"{name} are scaled to what is there{missing}")


def scale_of(samples: NDArray[Any]) -> Scale:
    """The scale of a whole picture's samples."""
    found = Range()
    found.add(samples)
    return found.scale()
