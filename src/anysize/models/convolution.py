"""Convolutions whose bfloat16 weight gradient is a matrix product.

Forward and input gradient of a bfloat16 convolution run near the processor's peak in oneDNN. Its
weight gradient does so only with AMX: without, it takes an older kernel that is several times
slower for strides and small maps, and whose threads wait for each other in busy loops, which on a
shared machine costs far more. The weight gradient is the product of the patches (unfolded input:
Chellapilla et al. 2006, "High performance convolutional neural networks for document processing")
and the output gradient, and matrix products are fast on every processor.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input

# Patches are nine times the input of a 3 x 3 convolution: they are made for a few pictures at a
# time, so that they stay in the cache and memory does not grow with the batch.
_PATCH_BYTES = 4 << 20


class Convolution(nn.Conv2d):
    """``nn.Conv2d``: same parameters, same results, a faster backward pass in bfloat16 on a CPU.

    It takes effect while training in bfloat16 (autocast or weights) on a CPU with bfloat16 but
    without AMX, for dense convolutions without bias; everything else goes through torch.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, in_channels, h, w]`` to ``[n, out_channels, h', w']``."""
        if self._slow_in_torch(maps):
            made: Tensor = _Convolve.apply(  # type: ignore[no-untyped-call]
                maps, self.weight, self.stride, self.padding
            )
            return made
        return super().forward(maps)

    def _slow_in_torch(self, maps: Tensor) -> bool:
        return (
            self.training
            and maps.device.type == "cpu"
            and torch.is_grad_enabled()
            and self.weight.requires_grad
            and _computes_in_bfloat16(maps)
            and _matrix_products_pay()
            and self.bias is None
            and self.groups == 1
            and self.dilation == (1, 1)
            and self.padding_mode == "zeros"
            and not isinstance(self.padding, str)
            and maps.ndim == 4
            and not torch.compiler.is_compiling()
        )


def _computes_in_bfloat16(maps: Tensor) -> bool:
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16
    return maps.dtype == torch.bfloat16


@cache
def _matrix_products_pay() -> bool:
    capability = torch.cpu.get_capabilities()
    return bool(capability.get("avx512_bf16")) and not capability.get("amx_bf16")


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.weight_dtype, ctx.maps_dtype = weight.dtype, maps.dtype
        maps = maps.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        weight = weight.to(torch.bfloat16)
        ctx.save_for_backward(maps, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(maps, weight, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        maps, weight = ctx.saved_tensors
        maps_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            maps_gradient = conv2d_input(
                maps.shape, weight, gradients[0], ctx.stride, ctx.padding
            ).to(ctx.maps_dtype)
        if ctx.needs_input_grad[1]:
            height, width = weight.shape[2:]
            weight_gradient = gradient_of_weight(
                maps, gradients[0], (height, width), ctx.stride, ctx.padding
            ).to(ctx.weight_dtype)
        return maps_gradient, weight_gradient, None, None


def gradient_of_weight(
    maps: Tensor,
    gradient: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """Gradient of a convolution's weight ``[out, in, *kernel]``, summed in float32.

    Args:
        maps: the input ``[n, in, h, w]``.
        gradient: of the output, ``[n, out, h', w']``.
        kernel: height and width of the kernel.
        stride: downwards and to the right.
        padding: zeros above and below, and left and right.
    """
    pictures, inputs = maps.shape[:2]
    outputs, rows, columns = gradient.shape[1:]
    length = kernel[0] * kernel[1] * inputs
    step = max(1, _PATCH_BYTES // (rows * columns * length * maps.element_size()))
    by_pixel = gradient.permute(0, 2, 3, 1)
    total = torch.zeros(outputs, length)
    for start in range(0, pictures, step):
        part = by_pixel[start : start + step].reshape(-1, outputs)
        patches = _patches(maps[start : start + step], (rows, columns), kernel, stride, padding)
        total += part.t() @ patches
    return total.view(outputs, *kernel, inputs).permute(0, 3, 1, 2)


def _patches(
    maps: Tensor,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """The input under the kernel at each output pixel: ``[n * rows * columns, kernel * in]``."""
    pictures, channels, height, width = maps.shape
    (above, left), (down, right) = padding, stride
    padded = maps.new_zeros((pictures, height + 2 * above, width + 2 * left, channels))
    padded[:, above : above + height, left : left + width] = maps.permute(0, 2, 3, 1)
    row = padded.shape[2] * channels
    # A kernel row is one run of kernel-width times channels: unfolding copies long runs.
    windows = padded.as_strided(
        (pictures, *size, kernel[0], kernel[1] * channels),
        (padded.shape[1] * row, down * row, right * channels, row, 1),
    )
    return windows.reshape(-1, kernel[0] * kernel[1] * channels)
