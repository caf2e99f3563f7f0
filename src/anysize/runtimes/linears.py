"""Linear layers on the same input, in the form that is fastest for few rows on a processor.

A step of generation with few rows takes as long as reading the weights does. Weights in 8 or 4 bits
are fewer bytes, so such rows are multiplied with them as they are. torch's kernels for that take
longer for each row than oneDNN's products, so more rows take a copy in bfloat16. On one core of an
AMD EPYC (Zen 4) the layers of SmolLM2 take, as a part of what they take in bfloat16: in 4 bits 0.36
with one row, 0.40 with two, 0.56 with three, 0.70 with four and 1.1 with six; in 8 bits 0.81 with
one row, 0.91 with two and 1.2 with three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.quantized_weights import QuantizedLinear

Layer: TypeAlias = nn.Linear | QuantizedLinear

# The most rows that are multiplied with weights as they are stored.
_FOUR_BIT_ROWS, _EIGHT_BIT_ROWS = 4, 1
# Columns that share a scale, in torch's kernel for 4 bits.
_GROUPS = (256, 128, 64, 32)
# torch reads beyond the end of 8-bit weights that are no multiples of these.
_ROWS, _COLUMNS = 16, 32
# Rows that the kernel for 4 bits takes at a time: others may be packed apart.
_BLOCK = 64
# Weights that are turned into another form at a time.
_AT_ONCE = 1 << 20


class Plain:
    """Linear layers on the same input, side by side, as the module has them: no memory twice."""

    def __init__(self, parts: Sequence[Layer]) -> None:
        self._parts = list(parts)

    def __call__(self, rows: Tensor) -> Tensor:
        found = [_product(each, rows) for each in self._parts]
        return found[0] if len(found) == 1 else torch.cat(found, 1)

    def plus(self, rows: Tensor, residual: Tensor) -> Tensor:
        """With the residual added."""
        return self(rows) + residual


class Reordered:
    """The same in one matrix, reordered for oneDNN.

    Args:
        parts: with inputs of the same width.
        dtype: of weights, inputs and outputs.
        activation: ``relu`` where it is part of the product.

    Attributes:
        bias: of all of them; None where none has one.
    """

    def __init__(
        self, parts: Sequence[Layer], dtype: torch.dtype, activation: str = "none"
    ) -> None:
        weight = torch.cat([_weight(each, dtype) for each in parts])
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self._activation = activation
        biases = [each.bias for each in parts]
        self.bias: Tensor | None = None
        if any(each is not None for each in biases):
            own = [
                torch.zeros(part.out_features) if bias is None else bias.detach()
                for part, bias in zip(parts, biases, strict=True)
            ]
            self.bias = torch.cat(own).to(dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._weight, self.bias, self._activation, [], ""
        )
        return found

    def plus(self, rows: Tensor, residual: Tensor) -> Tensor:
        """With the residual added."""
        found: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            rows, residual, self._weight, self.bias, "add"
        )
        return found


class FewBits:
    """Layers with weights in 8 or 4 bits on the same input, side by side, in bfloat16.

    Args:
        parts: that have a kernel together, see `has_kernel`.
        activation: ``relu`` where it is part of the product.
    """

    def __init__(self, parts: Sequence[QuantizedLinear], activation: str = "none") -> None:
        self._many = Reordered(parts, torch.bfloat16, activation)
        self._relu = activation == "relu"
        self._group = _group(parts[0])
        if self._group:
            self._most = _FOUR_BIT_ROWS
            self._weight = _packed(parts)
            self._scale = torch.cat([_scales(each, self._group) for each in parts], 1).contiguous()
        else:
            self._most = _EIGHT_BIT_ROWS
            self._weight = torch.cat([each.quantized for each in parts])
            self._scale = torch.cat([each.scale.view(-1) for each in parts]).bfloat16()

    def __call__(self, rows: Tensor) -> Tensor:
        if len(rows) > self._most:
            return self._many(rows)
        found: Tensor
        given = rows.contiguous()
        if self._group:
            found = torch.ops.aten._weight_int4pack_mm_for_cpu(
                given, self._weight, self._group, self._scale
            )
        else:
            found = torch.ops.aten._weight_int8pack_mm(given, self._weight, self._scale)
        if self._many.bias is not None:
            found += self._many.bias
        return found.relu_() if self._relu else found

    def plus(self, rows: Tensor, residual: Tensor) -> Tensor:
        """With the residual added."""
        if len(rows) > self._most:
            return self._many.plus(rows, residual)
        return self(rows) + residual


Linears: TypeAlias = Plain | Reordered | FewBits


def side_by_side(parts: Sequence[Layer], dtype: torch.dtype) -> Linears:
    """Layers as they are in float32, and reordered in bfloat16, which is a copy in any case."""
    return Plain(parts) if dtype is torch.float32 else reordered(parts, dtype)


def reordered(
    parts: Sequence[Layer], dtype: torch.dtype, activation: str = "none"
) -> Reordered | FewBits:
    """A copy of layers; see `Reordered`."""
    few = [each for each in parts if isinstance(each, QuantizedLinear)]
    if dtype is torch.bfloat16 and len(few) == len(parts) and has_kernel(few):
        return FewBits(few, activation)
    return Reordered(parts, dtype, activation)


def is_linear(part: nn.Module) -> bool:
    """Whether a layer can be here. Adapters and pruned layers are known to their own code alone."""
    return type(part) in (nn.Linear, QuantizedLinear)


def copied_bytes(parts: Sequence[Layer], dtype: torch.dtype) -> int:
    """What layers take once more in the form of `reordered`."""
    size = 2 if dtype is torch.bfloat16 else 4
    found = sum(size * each.in_features * each.out_features for each in parts)
    if dtype is torch.bfloat16:
        few = [each for each in parts if isinstance(each, QuantizedLinear)]
        found += sum(each.quantized.numel() + 4 * each.scale.numel() for each in few)
    return found


def has_kernel(parts: Sequence[QuantizedLinear]) -> bool:
    """Whether torch has a kernel for layers side by side."""
    if any(each.out_features % _ROWS or each.in_features % _COLUMNS for each in parts):
        return False
    if any(each.minimum is not None and not _group(each) for each in parts):
        return False
    return len({_group(each) for each in parts}) == 1


def _product(part: Layer, rows: Tensor) -> Tensor:
    if isinstance(part, QuantizedLinear):
        return part.forward(rows)
    return functional.linear(rows, part.weight, part.bias)


def _stored_group(part: QuantizedLinear) -> int:
    return 2 * part.quantized.shape[1] // part.scale.shape[1]


def _group(part: QuantizedLinear) -> int:
    """Columns that share a scale in the kernel for 4 bits; 0 in 8 bits, and where none fits."""
    if part.minimum is None:
        return 0
    own = _stored_group(part)
    return next((each for each in _GROUPS if not own % each and not part.in_features % each), 0)


def _weight(part: Layer, dtype: torch.dtype) -> Tensor:
    """``[rows, columns]``; what is in few bits is never whole in float32."""
    if isinstance(part, nn.Linear):
        return part.weight.detach().to(dtype)
    count, columns = part.shape
    found = torch.empty(count, columns, dtype=dtype)
    step = max(_AT_ONCE // columns, 1)
    for start in range(0, count, step):
        found[start : start + step] = part.rows(start, start + step)
    return found


def _packed(parts: Sequence[QuantizedLinear]) -> Tensor:
    """Numbers of 4 bits as torch's kernel wants them, which takes them in 32 bits."""
    pairs = torch.cat([each.quantized for each in parts])
    columns = parts[0].in_features
    step = max(_AT_ONCE // columns // _BLOCK, 1) * _BLOCK
    found = []
    for some in pairs.split(step):
        numbers = torch.stack((some & 15, some >> 4), -1).view(len(some), -1)
        given = numbers[:, :columns].int().contiguous()
        found.append(torch.ops.aten._convert_weight_to_int4pack_for_cpu(given, 1))
    return torch.cat(found)


def _scales(part: QuantizedLinear, group: int) -> Tensor:
    """Scales and what the number 8 is worth, bfloat16 ``[groups, rows, 2]``."""
    assert part.minimum is not None
    scale = part.scale.float()
    both = torch.stack([scale, part.minimum.float() + 8 * scale], -1)
    both = both.repeat_interleave(_stored_group(part) // group, 1)
    return both[:, : part.in_features // group].transpose(0, 1).bfloat16()
