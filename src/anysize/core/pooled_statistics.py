"""From the statistics of a whole record to its embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """The layer behind a pooling of mean and deviation over time.

    Attributes:
        weight: ``[width, 2 * channels]``: of the means, then of the deviations.
        bias: ``[width]``.
        least: added to each variance before its root is taken.
        halo: frames on either side that a state depends on.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    least: float
    halo: int

    def __call__(self, mean: NDArray[Any], variance: NDArray[Any]) -> NDArray[np.float64]:
        """The embedding ``[width]`` of means and variances ``[channels]`` over all states."""
        pooled = np.concatenate([mean, np.sqrt(variance + self.least)])
        found: NDArray[np.float64] = self.weight @ pooled + self.bias
        return found
