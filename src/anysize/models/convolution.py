"""Convolutions that do no needless work on small maps.

Late stages of a net on small pictures see maps of a few positions. Two things are wasted there.
Kernel taps that only ever meet padding multiply zeros: on a map of one position eight of the nine
taps of a 3 x 3 kernel. And the gradient of the weights, a sum over few positions for many weights,
runs at a fifth of the machine's speed in a processor's convolution library, while the same sum
written as one matrix product (Chellapilla et al. 2006, "High performance convolutional neural
networks for document processing") runs at nearly all of it.

The gradient of some strided 1 x 1 convolutions of 8 or 12 input channels, channels last and on two
threads, ends the process in torch 2.13 (oneDNN). The positions that such a kernel reads are picked
first here, and the convolution is then one without stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Up to so many input channels a strided 1 x 1 convolution's gradient is not left to oneDNN.
_NARROW = 15
# With this many positions of the output the library's own gradient is as fast.
_MANY = 16


class Convolution(nn.Conv2d):
    """``nn.Conv2d`` with the same weights and results, faster to train on small maps on a CPU.

    Square kernels, zeros as padding, dilation and groups of 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, bias=bias)
        self._margin = padding

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is nn.Conv2d's)
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h', w']``."""
        if _is_narrow_pick(self) and torch.is_grad_enabled():
            return _picked(self, input)
        if not self.training or input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        rows, columns = (
            _reach(*axis, self._margin)
            for axis in zip(input.shape[2:], self.kernel_size, self.stride, strict=True)
        )
        if rows.outputs * columns.outputs >= _MANY:
            return super().forward(input)
        weight = self.weight[:, :, rows.taps, columns.taps]
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            input, weight = input.to(kind), weight.to(kind)  # noqa: A001
        padded = functional.pad(input, (*columns.padding, *rows.padding))
        found = cast(Tensor, _SmallMap.apply(padded, weight, self.stride))  # type: ignore[no-untyped-call]
        return found if self.bias is None else found + self.bias.to(found.dtype).view(1, -1, 1, 1)


class PickingConvolution(nn.Conv2d):
    """A strided convolution of 1 x 1 that takes the positions that it reads before it convolves."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is nn.Conv2d's)
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h', w']``."""
        return _picked(self, input) if torch.is_grad_enabled() else super().forward(input)


def guard_gradients(module: nn.Module) -> int:
    """Makes the convolutions whose gradient ends the process such that do not.

    Args:
        module: any; its layers keep their weights and results.

    Returns:
        How many there are.
    """
    found = [each for each in module.modules() if type(each) is nn.Conv2d and _is_narrow_pick(each)]
    for layer in found:
        layer.__class__ = PickingConvolution
    return len(found)


def _is_narrow_pick(layer: nn.Conv2d) -> bool:
    return (
        layer.in_channels <= _NARROW
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.padding in ((0, 0), "valid")
        and layer.groups == 1
    )


def _picked(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    rows, columns = layer.stride
    last = not maps.is_contiguous() and maps.is_contiguous(memory_format=torch.channels_last)
    picked = maps[..., ::rows, ::columns]
    if last:
        picked = picked.contiguous(memory_format=torch.channels_last)
    return functional.conv2d(picked, layer.weight, layer.bias)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What of a kernel meets the map along one axis.

    Attributes:
        outputs: positions of the output.
        taps: of the kernel, those that meet more than padding.
        padding: what these need before and after the map; negative numbers crop.
    """

    outputs: int
    taps: slice
    padding: tuple[int, int]


def _reach(size: int, kernel: int, stride: int, padding: int) -> _Reach:
    outputs = (size + 2 * padding - kernel) // stride + 1
    met = [
        tap
        for tap in range(kernel)
        if any(0 <= tap - padding + stride * place < size for place in range(min(outputs, _MANY)))
    ]
    first, last = met[0], met[-1]
    margins = padding - first, stride * (outputs - 1) + last + 1 - padding - size
    return _Reach(outputs, slice(first, last + 1), margins)


class _SmallMap(torch.autograd.Function):
    """A convolution without padding; the gradient of its weights is one matrix product."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.stride = stride
        return functional.conv2d(maps, weight, stride=stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, weight = ctx.saved_tensors
        (gradient,) = gradients
        above = below = None
        if ctx.needs_input_grad[0]:
            below = torch.ops.aten.convolution_backward(
                gradient, maps, weight, None, ctx.stride, (0, 0), (1, 1), False, (0, 0), 1,
                (True, False, False),
            )[0]  # fmt: skip
        if ctx.needs_input_grad[1]:
            above = _weight_gradient(maps, gradient, weight.shape, ctx.stride)
        return below, above, None


def _weight_gradient(
    maps: Tensor, gradient: Tensor, shape: torch.Size, stride: tuple[int, int]
) -> Tensor:
    """``[outputs, inputs, kh, kw]``: each position's gradient times the patch that it saw."""
    outputs, inputs, height, width = shape
    lying = maps.permute(0, 2, 3, 1).contiguous()
    picture, row, column, channel = lying.stride()
    rows, columns = gradient.shape[2:]
    patches = lying.as_strided(
        (lying.shape[0], rows, columns, height, width, inputs),
        (picture, stride[0] * row, stride[1] * column, row, column, channel),
    )
    found = gradient.permute(1, 0, 2, 3).reshape(outputs, -1) @ patches.reshape(
        -1, height * width * inputs
    )
    return found.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
