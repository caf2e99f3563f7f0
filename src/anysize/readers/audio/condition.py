"""What a recording is like, summed up while it is read: silent, clipped, broken numbers, mixed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_FULL = 0.9999
"""From here on a sample is at full scale (16 bits reach 0.99997)."""
_CLIPPED_SHARE = 1e-3
_CLIPPED_LEAST = 16
_SILENT = 10 ** (-80 / 20)
"""A recording that is nowhere louder is silent: 80 dB below full scale."""
_CANCELLED = 0.05
"""Of the power of the channels, what their mean must keep."""


class Condition:
    """Counts over the samples of one recording; a block at a time, in order.

    Attributes:
        samples: of each channel, so far.
        peak: the largest amplitude of any channel.
        clipped: samples at full scale, of all channels.
        broken: samples that are no finite number, of all channels; they are read as 0.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self.samples = 0
        self.peak = 0.0
        self.clipped = 0
        self.broken = 0
        self._power = self._mixed_power = 0.0

    def mixed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of the channels of a block ``[n, channels]``, as an array of its own ``[n]``."""
        finite = np.isfinite(block)
        if not finite.all():
            self.broken += int(block.size - finite.sum())
            block = np.where(finite, block, np.float32(0))
        loud = np.abs(block)
        self.peak = max(self.peak, float(loud.max(initial=0.0)))
        self.clipped += int((loud >= _FULL).sum())
        self.samples += len(block)
        if self._channels == 1:
            return block[:, 0].copy()
        mixed: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
        self._power += float(np.square(block, dtype=np.float64).sum()) / self._channels
        self._mixed_power += float(np.square(mixed, dtype=np.float64).sum())
        return mixed

    def notes(self) -> Iterator[str]:
        """What is odd, in plain sentences."""
        if self._channels > 1:
            yield f"its {self._channels} channels were mixed to one, their mean"
        if self._power and self._mixed_power < _CANCELLED * self._power and self.peak > _SILENT:
            yield (
                "its channels cancel each other when they are mixed (one has inverted polarity): "
                "give a file with one of them"
            )
        if self.broken:
            yield f"{self.broken} samples are no finite numbers and were read as silence"
        if self.samples and self.peak <= _SILENT:
            yield "is silent: no sample is above -80 dB of full scale"
        total = self.samples * self._channels
        if self.clipped >= max(_CLIPPED_LEAST, _CLIPPED_SHARE * total):
            yield (
                f"is clipped: {self.clipped / total:.1%} of its samples are at full scale or above"
            )

    def counts(self) -> dict[str, int]:
        """How many samples are odd, where there are any."""
        found = {"samples_broken": self.broken}
        if self.clipped >= _CLIPPED_LEAST:
            found["samples_clipped"] = self.clipped
        return {name: count for name, count in found.items() if count}
