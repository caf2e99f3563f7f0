"""Keras's layers that pool, pad, reshape or join, as torch modules; see ``models.keras.layers``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.keras.layers import Padding, Sizes, check_layout, per_axis


class Pool(nn.Module):
    """Largest or mean value of each window.

    Means are those of Keras on torch: padded places do not count, but where more of them are behind
    than before, they repeat the last value and do count.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sizes, *, largest: bool) -> None:
        super().__init__()
        check_layout(config)
        rank = len(shape) - 1
        self.largest = largest
        self.window = per_axis(config["pool_size"], rank)
        self.stride = per_axis(config.get("strides") or self.window, rank)
        self.padding = Padding(
            config.get("padding", "valid"), self.window, self.stride, (1,) * rank
        )

    def forward(self, values: Tensor) -> Tensor:
        one = values.ndim == 3
        pool: Any
        if self.largest:
            pool = functional.max_pool1d if one else functional.max_pool2d
            values = self.padding(values, -torch.inf)
            return cast(Tensor, pool(values, self.window, self.stride))
        pool = functional.avg_pool1d if one else functional.avg_pool2d
        around = self.padding.around([int(size) for size in values.shape[2:]])
        if all(before == behind for before, behind in around):
            sides = [before for before, _ in around]
            return cast(Tensor, pool(values, self.window, self.stride, sides, False, False))
        flat = [amount for pair in reversed(around) for amount in pair]
        values = functional.pad(values, flat, mode="replicate")
        return cast(Tensor, pool(values, self.window, self.stride))


class GlobalPool(nn.Module):
    """Largest or mean value of each channel."""

    def __init__(self, config: Mapping[str, Any], *, largest: bool) -> None:
        super().__init__()
        check_layout(config)
        self.largest, self.keep = largest, bool(config.get("keepdims", False))

    def forward(self, values: Tensor) -> Tensor:
        axes = tuple(range(2, values.ndim))
        return (torch.amax if self.largest else torch.mean)(values, axes, self.keep)


class Reshape(nn.Module):
    """Another shape of the same numbers, in Keras's order of them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.target = tuple(config["target_shape"])

    def forward(self, values: Tensor) -> Tensor:
        last = values.movedim(1, -1) if values.ndim > 2 else values
        shaped = last.reshape(values.shape[0], *self.target)
        return shaped.movedim(-1, 1) if shaped.ndim > 2 else shaped


class ZeroPad(nn.Module):
    """Zeros around a sequence or picture."""

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        check_layout(config)
        padding = config["padding"]
        pairs = [padding] if len(shape) == 2 else padding
        if isinstance(pairs, int):
            pairs = [pairs] * (len(shape) - 1)
        around = [per_axis(pair, 2) for pair in pairs]
        self.flat = [amount for pair in reversed(around) for amount in pair]

    def forward(self, values: Tensor) -> Tensor:
        return functional.pad(values, self.flat)


class Merge(nn.Module):
    """Values of one shape joined number by number, from left to right."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor], *, mean: bool = False) -> None:
        super().__init__()
        self.join, self.mean = join, mean

    def forward(self, *values: Tensor) -> Tensor:
        found = values[0]
        for value in values[1:]:
            found = self.join(found, value)
        return found / len(values) if self.mean else found


class Concatenate(nn.Module):
    """Values side by side along an axis as Keras counts them."""

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        axis, rank = config.get("axis", -1), len(shape)
        axis = axis if axis > 0 else rank + 1 + axis
        self.axis = 1 if axis == rank else axis + 1

    def forward(self, *values: Tensor) -> Tensor:
        return torch.cat(values, self.axis)


class KerasOrder(nn.Module):
    """Flattened numbers, channels first, in the order in which Keras has them.

    Args:
        spatial: sizes behind the channels of what was flattened.
    """

    def __init__(self, spatial: Sizes) -> None:
        super().__init__()
        self.spatial = spatial

    def forward(self, values: Tensor) -> Tensor:
        apart = values.reshape(values.shape[0], -1, prod(self.spatial))
        return apart.transpose(1, 2).flatten(1)
