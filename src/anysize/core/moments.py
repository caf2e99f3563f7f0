"""Mean and variance of many vectors, in one pass and a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-26


class Moments:
    """Joins the moments of blocks (Chan, Golub and LeVeque 1979), in float64.

    Args:
        width: numbers of a vector.

    Attributes:
        count: vectors so far.
        mean: of each number.
        largest: of all numbers of all vectors.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self.largest = -np.inf
        self._squares = np.zeros(width)

    def add(self, block: NDArray[Any]) -> None:
        """Takes vectors ``[n, width]``."""
        if not len(block):
            return
        values, more = block.astype(np.float64), len(block)
        own = values.mean(axis=0)
        gap = own - self.mean
        self._squares += ((values - own) ** 2).sum(axis=0)
        self._squares += gap**2 * self.count * more / (self.count + more)
        self.mean += gap * more / (self.count + more)
        self.count += more
        self.largest = max(self.largest, float(values.max()))

    @property
    def variance(self) -> NDArray[np.float64]:
        """Of each number; 1 of those that never vary, which must not be divided by zero."""
        variance = self.spread
        return np.where(variance > _ROUNDING * self.mean**2, variance, 1.0)

    @property
    def spread(self) -> NDArray[np.float64]:
        """The variance of each number, 0 of those that never vary."""
        return self._squares / max(self.count, 1)
