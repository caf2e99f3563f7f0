"""A voice activity detector for made-up sounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Loud:
    """Hears whatever is not silent.

    Args:
        step: samples of a probability.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._held = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self._held = np.concatenate([self._held, samples])
        count = len(self._held) // self._step
        whole = count * self._step
        cut, self._held = self._held[:whole], self._held[whole:]
        return (np.abs(cut.reshape(count, self._step)).max(1) > 0).astype(np.float32)

    def rest(self) -> NDArray[np.float32]:
        if not len(self._held):
            return np.zeros(0, np.float32)
        return np.array([np.abs(self._held).max() > 0], np.float32)
