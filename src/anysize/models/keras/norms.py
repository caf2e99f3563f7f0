"""Keras's layers that normalise or rescale, as torch modules; see ``models.keras.layers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.keras.layers import Arrays, NoCounterpart, Sizes, array, number, put


class BatchNorm(nn.Module):
    """Batch normalisation over the channels; a batch of a single value is left to the averages."""

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        axis = config.get("axis", -1)
        if axis not in (-1, [-1], len(shape), [len(shape)]) or config.get("renorm"):
            raise NoCounterpart(f"batch normalisation of axis {axis}")
        self.norm = (nn.BatchNorm1d, nn.BatchNorm2d)[len(shape) == 3](
            shape[0], eps=config.get("epsilon", 1e-3), momentum=1 - config.get("momentum", 0.99)
        )
        self.scale, self.centre = config.get("scale", True), config.get("center", True)
        self.norm.weight.requires_grad_(self.scale)
        self.norm.bias.requires_grad_(self.centre)

    def forward(self, values: Tensor) -> Tensor:
        norm = self.norm
        if self.training and values.numel() == values.shape[1]:
            return functional.batch_norm(
                values, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        found: Tensor = norm(values)
        return found

    def _tensors(self) -> list[Tensor]:
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        own = [norm.weight] * self.scale + [norm.bias] * self.centre
        return [*own, norm.running_mean, norm.running_var]

    def take(self, arrays: Arrays) -> None:
        for tensor, value in zip(self._tensors(), arrays, strict=True):
            put(tensor, number(value))

    def give(self) -> list[NDArray[Any]]:
        return [array(tensor) for tensor in self._tensors()]

    def sizes(self) -> dict[str, Any]:
        return {}


class LayerNorm(nn.Module):
    """Normalisation of each step's or place's features."""

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        axis = config.get("axis", -1)
        if axis not in (-1, [-1], len(shape), [len(shape)]) or config.get("rms_scaling"):
            raise NoCounterpart(f"layer normalisation of axis {axis}")
        if not (config.get("scale", True) and config.get("center", True)):
            raise NoCounterpart("layer normalisation without scale or centre")
        self.norm = nn.LayerNorm(shape[0], eps=config.get("epsilon", 1e-3))

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.norm(values.movedim(1, -1)).movedim(-1, 1)
        return found

    def take(self, arrays: Arrays) -> None:
        put(self.norm.weight, number(arrays[0]))
        put(self.norm.bias, number(arrays[1]))

    def give(self) -> list[NDArray[Any]]:
        return [array(self.norm.weight), array(self.norm.bias)]

    def sizes(self) -> dict[str, Any]:
        return {}


class Normalization(nn.Module):
    """Inputs with mean and variance of the training data taken off; neither is trained."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        axis = config.get("axis", -1)
        if axis not in (-1, [-1], len(shape), [len(shape)]) or config.get("invert"):
            raise NoCounterpart(f"normalisation of axis {axis}")
        self.fixed = config.get("mean") is not None
        mean, variance = torch.zeros(shape[0]), torch.ones(shape[0])
        if self.fixed:
            mean = torch.as_tensor(config["mean"], dtype=torch.float32).expand(shape[0]).clone()
            variance = torch.as_tensor(config["variance"], dtype=torch.float32)
            variance = variance.expand(shape[0]).clone()
        self.register_buffer("mean", mean)
        self.register_buffer("variance", variance)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        shape = (-1, *(1,) * (values.ndim - 2))
        deviation = self.variance.sqrt().clamp_min(1e-7)
        return (values - self.mean.view(shape)) / deviation.view(shape)

    def take(self, arrays: Arrays) -> None:
        if not self.fixed:
            put(self.mean, number(arrays[0]).reshape(self.mean.shape))
            put(self.variance, number(arrays[1]).reshape(self.variance.shape))
            put(self.count, number(arrays[2]).reshape(()))

    def give(self) -> list[NDArray[Any]]:
        if self.fixed:
            return []
        return [array(self.mean), array(self.variance), array(self.count).astype(np.int32)]

    def sizes(self) -> dict[str, Any]:
        return {}


class Rescaling(nn.Module):
    """Numbers times a scale, plus an offset; each one for all, or one a channel."""

    scale: Tensor
    offset: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        for name, default in (("scale", 1.0), ("offset", 0.0)):
            value = config.get(name, default)
            if not isinstance(value, int | float | list | tuple):
                raise NoCounterpart(f"rescaling by {value!r}")
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))

    def forward(self, values: Tensor) -> Tensor:
        shape = (-1, *(1,) * (values.ndim - 2))
        return values * self.scale.view(shape) + self.offset.view(shape)
