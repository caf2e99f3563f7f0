"""Weights of linear layers and embeddings in 8 or 4 bits; all arithmetic stays in floating point.

``quantized.safetensors`` replaces ``model.safetensors`` in a bundle. The weight of a layer
``NAME`` is there as

- ``NAME.quantized`` int8 ``[rows, columns]`` with ``NAME.scale`` float32 ``[rows, 1]``:
  ``weight = quantized * scale``, symmetric, one scale for each output row;
- or ``NAME.quantized`` uint8 ``[rows, columns / 2]``, two numbers a byte (the first in the low
  bits), with ``NAME.scale`` and ``NAME.minimum`` float16 ``[rows, groups]``:
  ``weight = number * scale + minimum``. Columns are filled up to whole groups.

Of voices other tensors are stored alike, and dequantized when they are read (``rounded_tensors``).
Rounding is to nearest, as in LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339) without its
outliers, and as the baseline of GPTQ (Frantar et al. 2023, arXiv:2210.17323) in groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.core.errors import BundleError
from anysize.models.rounded_tensors import fits, large_tensors, matrix, own_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE = "quantized.safetensors"
QUANTIZED, SCALE, MINIMUM = ".quantized", ".scale", ".minimum"
SMALLEST = 1 << 13
"""A layer that is smaller gains nothing worth its error; heads of classifiers are among them."""


class QuantizedWeight(nn.Module):
    """A weight in fewer bits; ``weight`` is its dequantized value, computed each time.

    Args:
        shape: of the weight.
        quantized, scale, minimum: see the module; ``minimum`` is None for 8 bits.
    """

    quantized: Tensor
    scale: Tensor
    minimum: Tensor | None

    def __init__(
        self, shape: tuple[int, int], quantized: Tensor, scale: Tensor, minimum: Tensor | None
    ) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("quantized", quantized)
        self.register_buffer("scale", scale)
        self.register_buffer("minimum", minimum)

    @property
    def weight(self) -> Tensor:
        """``[rows, columns]`` in float32."""
        return self.rows(0, self.shape[0])

    def rows(self, start: int, stop: int) -> Tensor:
        """Some rows of it."""
        own = slice(start, stop)
        minimum = None if self.minimum is None else self.minimum[own]
        return dequantize(self.quantized[own], self.scale[own], minimum, self.shape[1])


class QuantizedLinear(QuantizedWeight):
    """A linear layer whose weight is in fewer bits.

    Args:
        layer: whose place it takes; its bias is kept.
        quantized, scale, minimum: see `QuantizedWeight`.
    """

    def __init__(
        self, layer: nn.Linear, quantized: Tensor, scale: Tensor, minimum: Tensor | None
    ) -> None:
        super().__init__((layer.out_features, layer.in_features), quantized, scale, minimum)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps ``[..., in_features]`` to ``[..., out_features]``."""
        if self.minimum is not None:
            return functional.linear(inputs, self.weight.to(inputs.dtype), self.bias)
        product = functional.linear(inputs, self.quantized.to(inputs.dtype))
        product = product * self.scale.to(product.dtype).view(-1)
        return product if self.bias is None else product + self.bias.to(product.dtype)


class QuantizedEmbedding(QuantizedWeight):
    """An embedding whose rows are int8.

    Args:
        layer: whose place it takes.
        quantized, scale: see `QuantizedWeight`.
    """

    def __init__(
        self, layer: nn.Embedding, quantized: Tensor, scale: Tensor, minimum: Tensor | None
    ) -> None:
        super().__init__((layer.num_embeddings, layer.embedding_dim), quantized, scale, minimum)
        self.num_embeddings, self.embedding_dim = self.shape
        self.padding_idx = layer.padding_idx

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps indices ``[...]`` to rows ``[..., embedding_dim]``."""
        rows = dequantize(
            self.quantized[inputs.reshape(-1)],
            self.scale[inputs.reshape(-1)],
            None if self.minimum is None else self.minimum[inputs.reshape(-1)],
            self.embedding_dim,
        )
        return rows.view(*inputs.shape, self.embedding_dim)


class QuantizedTransposed(QuantizedWeight):
    """A linear layer of GPT-2 (``Conv1D``), whose weight has a row for each input.

    Args:
        layer: whose place it takes; its bias is kept.
        quantized, scale, minimum: see `QuantizedWeight`.
    """

    def __init__(
        self, layer: Any, quantized: Tensor, scale: Tensor, minimum: Tensor | None
    ) -> None:
        super().__init__((layer.nx, layer.nf), quantized, scale, minimum)
        self.nx, self.nf = self.shape
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps ``[..., nx]`` to ``[..., nf]``."""
        if self.minimum is not None:
            product = inputs @ self.weight.to(inputs.dtype)
        else:
            scaled = inputs * self.scale.to(inputs.dtype).view(-1)
            product = scaled @ self.quantized.to(scaled.dtype)
        found: Tensor = product + self.bias.to(product.dtype)
        return found


_Quantized: TypeAlias = type[QuantizedLinear] | type[QuantizedEmbedding] | type[QuantizedTransposed]


@cache
def _layers() -> Mapping[type[nn.Module], _Quantized]:
    """The layers that have a form in fewer bits."""
    from transformers.pytorch_utils import Conv1D

    return {
        nn.Linear: QuantizedLinear, nn.Embedding: QuantizedEmbedding, Conv1D: QuantizedTransposed
    }  # fmt: skip


def quantizable(module: nn.Module) -> dict[str, nn.Module]:
    """The layers that are worth it, by name."""
    return {
        name: layer
        for name, layer in module.named_modules()
        if type(layer) in _layers() and cast(Tensor, layer.weight).numel() >= SMALLEST
    }


def storable(module: nn.Module) -> dict[str, tuple[int, int]]:
    """All tensors that are worth it, be they of such layers or not: rows and columns by name."""
    return large_tensors(module, SMALLEST)


def is_quantized(module: nn.Module) -> bool:
    """Whether some of its weights are in fewer bits."""
    return any(isinstance(layer, QuantizedWeight) for layer in module.modules())


def quantize_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """int8 and scale ``[n, 1]`` of rows ``[n, columns]``."""
    values = rows.float()
    scale = values.abs().amax(1, keepdim=True) / 127
    quantized = torch.round(values / torch.where(scale > 0, scale, 1.0)).clamp(-127, 127)
    return quantized.to(torch.int8), scale


def quantize_groups(rows: Tensor, group: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes of two numbers, scale and minimum of rows ``[n, columns]``, by groups of columns."""
    values = rows.float()
    values = functional.pad(values, (0, -values.shape[1] % group), mode="replicate")
    grouped = values.view(len(values), -1, group)
    minimum = grouped.amin(2).half()
    # Rounded first, so that the numbers fit the scale and minimum that are stored.
    lowest = minimum.float().unsqueeze(2)
    scale = ((grouped.amax(2) - minimum.float()) / 15).half()
    step = scale.float().unsqueeze(2)
    numbers = torch.round((grouped - lowest) / torch.where(step > 0, step, 1.0)).clamp(0, 15)
    numbers = numbers.view(len(values), -1, 2).to(torch.uint8)
    return numbers[..., 0] | (numbers[..., 1] << 4), scale, minimum


def dequantize(quantized: Tensor, scale: Tensor, minimum: Tensor | None, columns: int) -> Tensor:
    """Rows ``[n, columns]`` in float32."""
    if minimum is None:
        return quantized.float() * scale
    numbers = torch.stack((quantized & 15, quantized >> 4), -1).float()
    grouped = numbers.view(len(quantized), scale.shape[1], -1)
    values = grouped * scale.float().unsqueeze(2) + minimum.float().unsqueeze(2)
    return values.view(len(quantized), -1)[:, :columns]


def load(module: PreTrainedModel, path: Path) -> None:
    """Gives a module the weights of a ``quantized.safetensors``, mapped from the file.

    Args:
        module: as its configuration builds it; its weights are not looked at.
        path: of the file.

    Raises:
        BundleError: the file does not fit the module.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BundleError(str(path), f"is not a file of quantized weights: {error}") from error
    own = module.state_dict()
    for name in [key.removesuffix(QUANTIZED) for key in tensors if key.endswith(QUANTIZED)]:
        _install(module, name, tensors, own, path)
    tied = _tie(module, tensors)
    plain = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    try:
        missing, unknown = module.load_state_dict(plain, strict=False, assign=True)
    except RuntimeError as error:
        raise BundleError(str(path), f"does not fit its configuration: {error}") from error
    computed = _compute(module, missing)
    tied |= _tie_plain(module, missing)
    missing = [
        name
        for name in missing
        if name not in tied | computed and not name.endswith((QUANTIZED, SCALE, MINIMUM))
    ]
    if missing or unknown:
        raise BundleError(
            str(path),
            f"does not fit its configuration: missing {missing[:3]}, unknown {unknown[:3]}",
        )


def _compute(module: PreTrainedModel, missing: Sequence[str]) -> set[str]:
    """Computes what is never stored (sinusoidal positions); the names are given back."""
    never = set(getattr(module, "_keys_to_ignore_on_save", None) or ()) & set(missing)
    for name in sorted(never):
        with torch.no_grad():
            module._init_weights(module.get_submodule(name.rpartition(".")[0]))
    return never


def restore(module: nn.Module) -> None:
    """Puts ordinary layers in the place of quantized ones, with their dequantized weights."""
    from transformers.pytorch_utils import Conv1D

    from anysize.models.altered import replace

    dense: Any
    for name, layer in list(module.named_modules()):
        if isinstance(layer, QuantizedTransposed):
            dense = Conv1D(layer.nf, layer.nx)
            dense.bias = layer.bias
        elif isinstance(layer, QuantizedLinear):
            dense = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            dense.bias = layer.bias
        elif isinstance(layer, QuantizedEmbedding):
            rows, width = layer.shape
            dense = nn.Embedding(rows, width, padding_idx=layer.padding_idx)
        else:
            continue
        dense.weight = nn.Parameter(layer.weight.detach())
        replace(module, name, dense)


def _install(
    module: nn.Module, stem: str, tensors: dict[str, Tensor], own: Mapping[str, Tensor], path: Path
) -> None:
    from anysize.models.altered import replace

    quantized = tensors.pop(stem + QUANTIZED)
    scale, minimum = tensors.pop(stem + SCALE, None), tensors.pop(stem + MINIMUM, None)
    name = own_name(stem, own)
    if name is None or own[name].ndim < 2:
        raise BundleError(str(path), f"{stem} is nothing that could be quantized")
    rows, columns = matrix(own[name])
    if scale is None or not fits(quantized, scale, minimum, rows, columns):
        raise BundleError(str(path), f"the weights of {stem} do not fit its configuration")
    layer = module.get_submodule(stem) if name != stem else None
    kind = _layers().get(type(layer)) if layer is not None else None
    if kind is None:
        found = dequantize(quantized, scale, minimum, columns)
        tensors[name] = found.view(own[name].shape)
    else:
        replace(module, stem, kind(layer, quantized, scale, minimum))  # type: ignore[arg-type]


def _tie_plain(module: PreTrainedModel, missing: Sequence[str]) -> set[str]:
    """Lets layers share a weight that was too small to be quantized; their names are given back."""
    tied: set[str] = set()
    for target, source in dict(getattr(module, "all_tied_weights_keys", None) or {}).items():
        name, other = target.removesuffix(".weight"), source.removesuffix(".weight")
        if target not in missing or name == target or other == source:
            continue
        shared: Any = module.get_submodule(other)
        if isinstance(shared, nn.Linear | nn.Embedding):
            cast(Any, module.get_submodule(name)).weight = shared.weight
            tied.add(target)
    return tied


def _tie(module: PreTrainedModel, tensors: Mapping[str, Tensor]) -> set[str]:
    """Lets layers that share a weight share it quantized; their names are given back."""
    from anysize.models.altered import replace

    tied: set[str] = set()
    for target, source in dict(getattr(module, "all_tied_weights_keys", None) or {}).items():
        name, other = target.removesuffix(".weight"), source.removesuffix(".weight")
        if target in tensors or name == target or other == source:
            continue
        shared, layer = module.get_submodule(other), module.get_submodule(name)
        kind = _layers().get(type(layer))
        if isinstance(shared, QuantizedWeight) and kind is not None:
            parts = (shared.quantized, shared.scale, shared.minimum)
            replace(module, name, kind(layer, *parts))  # type: ignore[arg-type]
            tied.add(target)
    return tied
