"""What frames of a spectrum are like: a mean and a deviation that go with a model's weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class FrameStatistics:
    """What a module of transformers that reads frames inherits beside its base.

    The mean and the deviation of each number of a frame over the training data are buffers, so that
    a graph takes frames as they come.

    Attributes:
        mean: of each number of a frame.
        scale: one over its deviation.
    """

    starts_from_data = True
    mean: Tensor
    scale: Tensor

    def add_statistics(self, feature_size: int) -> None:
        """Adds the buffers, for frames of so many numbers."""
        module: Any = self
        module.register_buffer("mean", torch.zeros(feature_size))
        module.register_buffer("scale", torch.ones(feature_size))

    @torch.no_grad()
    def start_from(self, mean: Any, variance: Any, _count: int) -> None:
        """Sets what frames are like.

        Args:
            mean: of each number of a frame.
            variance: of each, above zero.
        """
        self.mean.copy_(torch.as_tensor(mean, dtype=torch.float32))
        self.scale.copy_(torch.as_tensor(variance, dtype=torch.float32).rsqrt())

    def normalized(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames ``[n, length, feature_size]`` with mean 0 and deviation 1, zero at the padding.

        Args:
            frames: as they come.
            mask: ``[n, length]``, 1 at frames and 0 at the padding, in the frames' type.
        """
        return (frames - self.mean) * self.scale * mask.unsqueeze(-1)
