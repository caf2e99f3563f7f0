"""Tensors that are stored in fewer bits and are ordinary ones in memory; see ``quantized_weights``.

Convolutions, and directions of normalised weights, have no form in fewer bits that is run: a tensor
``[rows, ...]`` is rounded as the matrix ``[rows, columns]``, and given back when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def large_tensors(module: nn.Module, smallest: int) -> dict[str, tuple[int, int]]:
    """Names of tensors that are worth it, each with its rows and columns.

    Args:
        module: whose they are; what is computed and not stored is not among them.
        smallest: numbers that a tensor has at least.
    """
    return {
        name: matrix(tensor)
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() >= smallest
    }


def matrix(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of a tensor that is seen as a matrix."""
    return len(tensor), math.prod(tensor.shape[1:])


def own_name(stem: str, tensors: Mapping[str, Tensor]) -> str | None:
    """The module's name of a tensor that is stored under ``stem``; None where it has none."""
    return next((name for name in (f"{stem}.weight", stem) if name in tensors), None)


def fits(quantized: Tensor, scale: Tensor, minimum: Tensor | None, rows: int, columns: int) -> bool:
    """Whether what is stored of a matrix belongs to one of these sides."""
    if minimum is None:
        eight = quantized.dtype == torch.int8 and quantized.shape == (rows, columns)
        return eight and scale.shape == (rows, 1)
    if quantized.dtype != torch.uint8 or quantized.ndim != 2 or scale.shape != minimum.shape:
        return False
    filled = 2 * quantized.shape[1]
    whole = len(quantized) == len(scale) == rows and filled >= columns
    return whole and scale.ndim == 2 and scale.shape[1] > 0 and filled % scale.shape[1] == 0
