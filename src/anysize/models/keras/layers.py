"""Keras layers as torch modules with the same results: dense, convolution, what all of them share.

Between layers all values are channels first: ``[n, features]``, ``[n, features, steps]``,
``[n, channels, height, width]``, where Keras has the features last. Each module with weights has
``take(arrays)`` and ``give()``, which convert from and to the order and the shapes of Keras's own
``get_weights``, and ``sizes()``: entries of the layer's configuration that follow from its weights,
which may have been pruned.

A layer that has no counterpart raises :class:`NoCounterpart`; the model is then run by Keras itself
(``models.keras.library``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.keras.rewriting import activation_name

Arrays: TypeAlias = Sequence[NDArray[Any]]
Sizes: TypeAlias = tuple[int, ...]


class NoCounterpart(Exception):  # noqa: N818  not an error: Keras runs such models itself
    """A layer, or a setting of one, that is not built here."""


_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    # The features, which Keras has last, are the first axis behind the batch here.
    "softmax": lambda: nn.Softmax(1),
    "log_softmax": lambda: nn.LogSoftmax(1),
}


def activation(entries: Any) -> nn.Module:
    """The module of an activation as configurations write it."""
    name = activation_name(entries)
    if name is None or name not in _ACTIVATIONS:
        raise NoCounterpart(f"activation {entries!r}")
    return _ACTIVATIONS[name]()


def number(array: NDArray[Any]) -> Tensor:
    """An array as float32, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def array(tensor: Tensor) -> NDArray[np.float32]:
    """Weights as an array of their own."""
    return np.array(tensor.detach().float().cpu().numpy())


def put(parameter: Tensor, value: Tensor) -> None:
    """Sets weights in place."""
    if parameter.shape != value.shape:
        raise ValueError(f"weights of shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
    with torch.no_grad():
        parameter.copy_(value)


class Dense(nn.Module):
    """A linear layer over the features, and an activation.

    Args:
        config: Keras's.
        shape: of the input, without the batch.
        spatial: sizes behind the features of what was flattened into the input, if it was: it is
            then channels first, where Keras has the channels last.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sizes, spatial: Sizes = ()) -> None:
        super().__init__()
        self.spatial = spatial
        self.linear = nn.Linear(shape[0], config["units"], bias=config.get("use_bias", True))
        self.activation = activation(config.get("activation"))

    def forward(self, values: Tensor) -> Tensor:
        last = values.movedim(1, -1) if values.ndim > 2 else values
        scores = self.linear(last)
        found: Tensor = self.activation(scores.movedim(-1, 1) if values.ndim > 2 else scores)
        return found

    def take(self, arrays: Arrays) -> None:
        kernel = arrays[0]
        if self.spatial:
            kernel = kernel.reshape(*self.spatial, -1, kernel.shape[1])
            kernel = np.moveaxis(kernel, -2, 0).reshape(-1, kernel.shape[-1])
        put(self.linear.weight, number(kernel.T))
        if self.linear.bias is not None:
            put(self.linear.bias, number(arrays[1]))

    def give(self) -> list[NDArray[Any]]:
        kernel = array(self.linear.weight).T
        if self.spatial:
            kernel = kernel.reshape(-1, *self.spatial, kernel.shape[1])
            kernel = np.moveaxis(kernel, 0, -2).reshape(-1, kernel.shape[-1])
        return [kernel, *_bias(self.linear.bias)]

    def sizes(self) -> dict[str, Any]:
        return {"units": self.linear.out_features}


def _bias(bias: Tensor | None) -> list[NDArray[Any]]:
    return [] if bias is None else [array(bias)]


def per_axis(value: Any, rank: int) -> Sizes:
    """A size for each axis; Keras writes one for all of them as a number."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def check_layout(config: Mapping[str, Any]) -> None:
    """Only Keras's usual layout is read."""
    if config.get("data_format") not in (None, "channels_last"):
        raise NoCounterpart("channels_first")


class Padding(nn.Module):
    """The zeros that ``valid``, ``same`` and ``causal`` put around a window that slides.

    ``same`` as TensorFlow defines it: the odd one goes behind, and with a stride the sum depends on
    the size of the input.

    Attributes:
        by_size: whether it depends on the size.
    """

    def __init__(self, kind: str, window: Sizes, stride: Sizes, dilation: Sizes) -> None:
        super().__init__()
        if kind not in ("valid", "same", "causal"):
            raise NoCounterpart(f"padding {kind!r}")
        self.kind, self.stride = kind, stride
        self.reach = tuple(d * (w - 1) + 1 for w, d in zip(window, dilation, strict=True))
        self.by_size = kind == "same" and max(stride) > 1

    def around(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """Zeros before and behind along each axis of an input of these sizes."""
        if self.kind == "valid":
            return [(0, 0)] * len(self.reach)
        if self.kind == "causal":
            return [(reach - 1, 0) for reach in self.reach]
        found = []
        for size, reach, step in zip(sizes, self.reach, self.stride, strict=True):
            total = max((-(-size // step) - 1) * step + reach - size, 0)
            if step == 1:
                total = reach - 1
            found.append((total // 2, total - total // 2))
        return found

    def forward(self, values: Tensor, fill: float = 0.0) -> Tensor:
        around = self.around([int(size) for size in values.shape[2:]])
        if not any(map(any, around)):
            return values
        # torch counts axes from the last.
        flat = [amount for pair in reversed(around) for amount in pair]
        return functional.pad(values, flat, value=fill)


class Conv(nn.Module):
    """Convolution in one or two dimensions, and an activation.

    Args:
        config: Keras's.
        shape: of the input, without the batch.
        depthwise: whether each channel has filters of its own.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sizes, *, depthwise: bool = False) -> None:
        super().__init__()
        check_layout(config)
        rank = len(shape) - 1
        if rank not in (1, 2):
            raise NoCounterpart(f"convolution in {rank} dimensions")
        self.depthwise = depthwise
        kernel, stride, dilation = (
            per_axis(config.get(key, 1), rank)
            for key in ("kernel_size", "strides", "dilation_rate")
        )
        self.padding = Padding(config.get("padding", "valid"), kernel, stride, dilation)
        groups, filters = int(config.get("groups", 1)), int(config.get("filters", 0))
        if depthwise:
            groups, filters = shape[0], shape[0] * config.get("depth_multiplier", 1)
        self.conv = (nn.Conv1d, nn.Conv2d)[rank - 1](
            shape[0],
            filters,
            kernel,  # type: ignore[arg-type]
            stride=stride,  # type: ignore[arg-type]
            dilation=dilation,  # type: ignore[arg-type]
            groups=groups,
            bias=config.get("use_bias", True),
        )
        self.activation = activation(config.get("activation"))
        around = self.padding.around([1] * rank)
        if not self.padding.by_size and all(before == behind for before, behind in around):
            # The convolution's own padding is free, and seen by whoever analyses the graph.
            self.conv.padding = tuple(before for before, _ in around)
            self.padding = Padding("valid", kernel, stride, dilation)

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.activation(self.conv(self.padding(values)))
        return found

    def take(self, arrays: Arrays) -> None:
        kernel = np.moveaxis(arrays[0], (-1, -2), (0, 1))
        if self.depthwise:
            kernel = np.moveaxis(kernel, 0, 1)
            kernel = kernel.reshape(-1, 1, *kernel.shape[2:])
        put(self.conv.weight, number(kernel))
        if self.conv.bias is not None:
            put(self.conv.bias, number(arrays[1]))

    def give(self) -> list[NDArray[Any]]:
        kernel = array(self.conv.weight)
        if self.depthwise:
            kernel = kernel.reshape(self.conv.in_channels, -1, *kernel.shape[2:])
            kernel = np.moveaxis(kernel, 1, 0)
        return [np.moveaxis(kernel, (0, 1), (-1, -2)), *_bias(self.conv.bias)]

    def sizes(self) -> dict[str, Any]:
        return {} if self.depthwise else {"filters": self.conv.out_channels}


class Separable(nn.Module):
    """A depthwise convolution, then one over the channels alone."""

    def __init__(self, config: Mapping[str, Any], shape: Sizes) -> None:
        super().__init__()
        inner = {**config, "use_bias": False, "activation": "linear"}
        self.depth = Conv(inner, shape, depthwise=True)
        one = {"kernel_size": 1, "filters": config["filters"]}
        point = {**one, "use_bias": config.get("use_bias", True)}
        middle = (self.depth.conv.out_channels, *shape[1:])
        self.point = Conv({**point, "activation": config.get("activation")}, middle)
        self.padding = self.depth.padding

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.point(self.depth(values))
        return found

    def take(self, arrays: Arrays) -> None:
        self.depth.take(arrays[:1])
        self.point.take(arrays[1:])

    def give(self) -> list[NDArray[Any]]:
        return [*self.depth.give(), *self.point.give()]

    def sizes(self) -> dict[str, Any]:
        return self.point.sizes()
