"""Frames changed by statistics of the whole recording, which a first pass gives, or of a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anysize.core.moments import Moments

Normalizing = Literal["none", "recording", "range", "window"]
TWICE: tuple[Normalizing, ...] = ("recording", "range")
"""Those that need a first pass over a recording."""

_RANGE = 8.0
_LEAST_VARIANCE = 1e-7  # of Wav2Vec2FeatureExtractor


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Frames as a model takes them.

    Attributes:
        kind: ``none``; ``recording``: each number with the mean 0 and the variance 1 over the
            recording; ``range``: what Whisper does, nothing more than 8 decades below the
            loudest, then shifted and divided by 4; ``window``: what wav2vec2 does, each number
            with the mean 0 and the variance 1 over the window.
        moments: of a first pass over the whole recording; not used by ``none`` and
            ``window``.
        shift, scale: what is taken off each number after that, and by what it is divided.
    """

    kind: Normalizing
    moments: Moments
    shift: float = 0.0
    scale: float = 1.0

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames ``[n, width]`` of a window."""
        found = self._by_statistics(block)
        if (self.shift, self.scale) == (0.0, 1.0):
            return found
        return (found - np.float32(self.shift)) / np.float32(self.scale)

    def _by_statistics(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.kind == "none":
            return block
        if self.kind == "window":
            variance = block.var(axis=0) + np.float32(_LEAST_VARIANCE)
            found: NDArray[np.float32] = (block - block.mean(axis=0)) / np.sqrt(variance)
            return found
        if self.kind == "range":
            low = np.float32(self.moments.largest - _RANGE)
            return (np.maximum(block, low) + np.float32(4.0)) / np.float32(4.0)
        scaled = (block - self.moments.mean) / np.sqrt(self.moments.variance)
        return scaled.astype(np.float32)
