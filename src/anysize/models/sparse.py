"""Weights that are mostly zero, stored small: a bit for every weight, and those that are not zero.

``sparse.safetensors`` replaces ``model.safetensors`` in a bundle. A tensor for which it is
smaller is kept as ``NAME:mask`` (uint8, eight weights a byte, the first in the lowest bit) and
``NAME:values``; its shape is in the file's metadata. All others are stored as they are. What is
read back equals what was written, bit for bit.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.errors import BundleError

FILE = "sparse.safetensors"
DENSE = "model.safetensors"
_SHAPES = "anysize_sparse_shapes"
_MASK, _VALUES = ":mask", ":values"
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def encode(tensor: Tensor) -> tuple[Tensor, Tensor] | None:
    """The mask and the values of a tensor; None where that would not be smaller.

    Args:
        tensor: of any shape and type.

    Returns:
        uint8 ``[ceil(n / 8)]`` and ``[kept]`` of the tensor's type.
    """
    flat = tensor.detach().cpu().contiguous().view(-1)
    # By their bits: a negative zero is a value.
    kept = flat.view(_BITS[flat.element_size()]) != 0
    mask = torch.from_numpy(np.packbits(kept.numpy(), bitorder="little"))
    values = flat[kept]
    smaller = mask.numel() + values.numel() * values.element_size() < (
        flat.numel() * flat.element_size()
    )
    return (mask, values) if smaller else None


def decode(mask: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor that `encode` was given.

    Raises:
        ValueError: the parts do not belong together.
    """
    count = math.prod(shape)
    if mask.dtype != torch.uint8 or mask.ndim != 1 or mask.numel() != -(-count // 8):
        raise ValueError("its mask does not fit its shape")
    kept = torch.from_numpy(np.unpackbits(mask.numpy(), count=count, bitorder="little")).bool()
    if values.ndim != 1 or int(kept.sum()) != values.numel():
        raise ValueError("its mask does not fit its values")
    tensor = torch.zeros(count, dtype=values.dtype)
    tensor[kept] = values
    return tensor.view(shape)


def pack(folder: Path) -> Path:
    """Puts ``sparse.safetensors`` in the place of a folder's ``model.safetensors``.

    Raises:
        BundleError: the weights are not in one file.
    """
    from safetensors import safe_open

    from anysize.models.tensor_file import write_tensors

    dense = folder / DENSE
    if not dense.is_file():
        raise BundleError(str(folder), f"has no {DENSE} that could be stored sparsely")
    tensors: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    with safe_open(dense, framework="pt") as file:
        names = file.keys()
        for name in names:
            tensor = file.get_tensor(name)
            parts = encode(tensor)
            if parts is None:
                tensors[name] = tensor
            else:
                tensors[name + _MASK], tensors[name + _VALUES] = parts
                shapes[name] = list(tensor.shape)
    write_tensors(folder / FILE, tensors, {"format": "pt", _SHAPES: json.dumps(shapes)})
    dense.unlink()
    return folder / FILE


def read(path: Path) -> dict[str, Tensor]:
    """The dense tensors of a ``sparse.safetensors``.

    Raises:
        BundleError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            shapes = _shapes(json.loads((file.metadata() or {})[_SHAPES]))
            parts = {name + suffix for name in shapes for suffix in (_MASK, _VALUES)}
            names = set(file.keys())
            tensors = {name: file.get_tensor(name) for name in names - parts}
            for name, shape in shapes.items():
                tensors[name] = decode(
                    file.get_tensor(name + _MASK), file.get_tensor(name + _VALUES), shape
                )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BundleError(str(path), f"is not a file of sparse weights: {error}") from error
    return tensors


def _shapes(entries: Any) -> dict[str, tuple[int, ...]]:
    if not isinstance(entries, dict):
        raise ValueError("its shapes are not an object")
    shapes = {}
    for name, sizes in entries.items():
        fits = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
        if not fits:
            raise ValueError(f"the shape of {name} is {sizes!r}")
        shapes[name] = tuple(sizes)
    return shapes
