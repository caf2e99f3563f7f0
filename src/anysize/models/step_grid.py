"""The grid of steps of a network that gives something for each step of a recording.

A step stands for so many frames (four, of most spectra; hundreds of samples, of networks that read
samples). Windows begin on the grid, so that the same step has the same place in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError
from anysize.core.windows import Span
from anysize.modalities.sounds.settings import AudioSettings
from anysize.windows.sound import Filling, SoundWindows

if TYPE_CHECKING:
    from anysize.models.network import Network

_END = 1 << 30


def frames_of_step(config: Any) -> int:
    """Frames from one step to the next: samples, where frames are samples."""
    strides = getattr(config, "conv_stride", None)
    if strides is not None:
        return prod(int(each) for each in strides)
    return int(getattr(config, "subsampling", 1) or 1)


def step_counts(config: Any, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many steps a network gives for windows of so many frames.

    Args:
        config: of the network.
        frames: of each window.
    """
    kernels = getattr(config, "conv_kernel", None)
    if kernels is None:
        size = frames_of_step(config)
        return -(-frames // size)
    counts = frames
    for kernel, stride in zip(kernels, config.conv_stride, strict=True):
        counts = np.maximum((counts - int(kernel)) // int(stride) + 1, 0)
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGrid:
    """How the windows of a network lie on its steps.

    Attributes:
        config: of the network.
        frames: of a step.
        samples: of a step.
        rate: samples a second.
        size: steps of a window.
        shared: steps that neighbouring windows share.
        exact: whether half of these are all that a step depends on.
    """

    config: Any
    frames: int
    samples: int
    rate: int
    size: int
    shared: int
    exact: bool

    @classmethod
    def of(cls, network: Network) -> StepGrid:
        """The grid of a network.

        Raises:
            BundleError: it gives steps in a way that is not known.
        """
        config = network.module.config
        if getattr(config, "add_adapter", False):
            raise BundleError(
                network.spec,
                "has layers behind its encoder that make steps longer (add_adapter), whose grid "
                "is not known here",
            )
        settings = network.reads(AudioSettings)
        frames = frames_of_step(config)
        size = max(settings.frames // frames, 1)
        shared = min(settings.shared // frames, size - 1)
        context: int | None = getattr(config, "context_steps", None)
        return cls(
            config=config,
            frames=frames,
            samples=frames * settings.front.hop,
            rate=settings.sample_rate,
            size=size,
            shared=shared,
            exact=context is not None and shared // 2 >= context,
        )

    def windows(self, settings: AudioSettings) -> SoundWindows:
        """What cuts recordings into windows on the grid."""
        return SoundWindows(
            settings.front,
            size=self.size * self.frames,
            overlap=self.shared * self.frames,
            normalizing=settings.normalizing,
            filling=Filling(silence=settings.silence, zeros=settings.filled),
            shift=settings.shift,
            scale=settings.scale,
            grid=self.frames,
        )

    def steps(self, frames: int) -> int:
        """Steps of a window of so many frames."""
        return int(step_counts(self.config, np.array([frames], np.int64))[0])

    def rows(self, region: Span, core: Span, last: bool) -> NDArray[np.int64]:
        """First and last (exclusive) of the steps of a region that its window owns.

        Args:
            region: in samples.
            core: in samples.
            last: whether the window is the recording's last one: it owns all that is left.
        """
        first = (core.start - region.start) // self.samples
        stop = _END if last else (core.stop - region.start) // self.samples
        return np.array([first, stop], np.int64)
