"""Modules that differ from what their configuration builds: fewer channels, heads, ranks.

Pruning and factoring leave modules that no configuration describes. What differs is noted as plain
data (``Network.altered``, ``altered`` in a bundle's card), and the loader applies it to the fresh
module before weights are read, so that opening such a bundle needs nothing else.

The note has two parts::

    {"factored": {"classifier.dense": 48},
     "layers": {"blocks.0.closing.convolution": {"out_channels": 40, "weight": [40, null, 3, 3]}}}

``factored`` names linear layers that are a product of two, with the rank. ``layers`` names modules
with the tensors and the numbers that are smaller than in the fresh one; ``null`` is a size that is
as built. Sizes only ever shrink, which also bounds what a damaged card can ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from anysize.core.errors import BundleError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Sizes = Sequence[int | None]

_PARTS = ("factored", "layers")


class FactoredLinear(nn.Module):
    """A linear layer as the product of two: ``outer(inner(x))``.

    Args:
        in_features, out_features: of the whole.
        rank: between the two.
        bias: whether the outer one has a bias.
    """

    def __init__(self, in_features: int, out_features: int, rank: int, bias: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(in_features, rank, bias=False)
        self.outer = nn.Linear(rank, out_features, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps ``[..., in_features]`` to ``[..., out_features]``."""
        product: Tensor = self.outer(self.inner(inputs))
        return product


def replace(module: nn.Module, name: str, new: nn.Module) -> None:
    """Puts ``new`` in the place of the submodule of that dotted name."""
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, new)


def describe(module: PreTrainedModel) -> dict[str, Any]:
    """What differs from the module that the configuration builds; empty where nothing does.

    Args:
        module: pruned or factored; its ``config`` builds all of its submodules.
    """
    fresh = _fresh(module)
    factored = {
        name: layer.inner.out_features
        for name, layer in module.named_modules()
        if isinstance(layer, FactoredLinear)
    }
    _factor(fresh, factored, "module")
    layers = {}
    others = dict(fresh.named_modules())
    for name, layer in module.named_modules():
        if differences := _differences(layer, others[name]):
            layers[name] = differences
    parts = {"factored": factored, "layers": layers}
    return {name: part for name, part in parts.items() if part}


def alter(module: nn.Module, altered: Mapping[str, Any], origin: str) -> None:
    """Makes a fresh module into one of the sizes that are noted; its weights are not set.

    Args:
        module: as its configuration builds it; changed in place.
        altered: what `describe` gave.
        origin: names the bundle in errors.

    Raises:
        BundleError: the note does not fit the module.
    """
    _check(altered, origin)
    _factor(module, altered.get("factored", {}), origin)
    for name, changes in altered.get("layers", {}).items():
        layer = _submodule(module, name, origin)
        for key, value in changes.items():
            own = getattr(layer, key, None)
            if isinstance(own, Tensor):
                _resize(layer, key, own, value, f"{name}.{key}", origin)
            elif _shrinks(own, value) and not key.startswith("_"):
                setattr(layer, key, tuple(value) if isinstance(value, list) else value)
            else:
                raise BundleError(
                    origin, f"altered: {name} has no {key} that could be {value!r} (found {own!r})"
                )


def _check(altered: Mapping[str, Any], origin: str) -> None:
    """Raises a ``BundleError`` for a note of another form, with all that is wrong."""
    problems = [f"altered.{key} is not known" for key in altered if key not in _PARTS]
    problems += [
        f"altered.{key} must be an object"
        for key in _PARTS
        if not isinstance(altered.get(key, {}), Mapping)
    ]
    layers = altered.get("layers", {})
    problems += [
        f"altered.layers.{name} must be an object"
        for name, changes in (layers.items() if isinstance(layers, Mapping) else ())
        if not isinstance(changes, Mapping)
    ]
    if problems:
        raise BundleError(origin, "not a valid card: " + "; ".join(problems))


def altered_class(
    model: type[PreTrainedModel], altered: Mapping[str, Any], origin: str
) -> type[PreTrainedModel]:
    """A class like ``model`` whose instances have the sizes that are noted from the start.

    transformers builds a model and loads its weights in one call; this is the place in between.
    Give the loaded model its own class back: the name and all else are the same.
    """

    def __init__(self: Any, config: Any, *inputs: Any, **named: Any) -> None:  # noqa: N807
        model.__init__(self, config, *inputs, **named)
        alter(self, altered, origin)

    entries = {
        "__init__": __init__,
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
    }
    return type(model.__name__, (model,), entries)


def _fresh(module: PreTrainedModel) -> PreTrainedModel:
    """The module that the configuration builds, without memory for weights."""
    from transformers import initialization as init

    with (
        torch.device("meta"),
        init.no_init_weights(),
        init.meta_device_safe_creation_ops(),
        init.no_tie_weights(),
    ):
        return type(module)(module.config)


def _factor(module: nn.Module, ranks: Mapping[str, Any], origin: str) -> None:
    for name, rank in ranks.items():
        layer = _submodule(module, name, origin)
        if not isinstance(layer, nn.Linear) or not _shrinks(min(layer.weight.shape), rank):
            raise BundleError(origin, f"altered: {name} is no linear layer of rank {rank!r}")
        with layer.weight.device:
            product = FactoredLinear(
                layer.in_features, layer.out_features, rank, layer.bias is not None
            )
        replace(module, name, product.to(layer.weight.dtype))


def _submodule(module: nn.Module, name: str, origin: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError as error:
        raise BundleError(origin, f"altered: the model has no part {name!r}") from error


def _resize(layer: nn.Module, key: str, own: Tensor, sizes: Any, name: str, origin: str) -> None:
    fits = (
        isinstance(sizes, list)
        and len(sizes) == own.ndim
        and all(
            size is None or _shrinks(of, size) for of, size in zip(own.shape, sizes, strict=True)
        )
    )
    if not fits:
        raise BundleError(
            origin, f"altered: {name} of shape {list(own.shape)} cannot become {sizes!r}"
        )
    shape = [of if size is None else size for of, size in zip(own.shape, sizes, strict=True)]
    new = own.detach().new_empty(shape)
    if isinstance(own, nn.Parameter):
        new = nn.Parameter(new, requires_grad=own.requires_grad)
    setattr(layer, key, new)


def _shrinks(own: Any, value: Any) -> bool:
    """Whether a number (or each of some) is a size from 1 to what is there."""
    if isinstance(own, tuple):
        fits = isinstance(value, list | tuple) and len(own) == len(value)
        return fits and all(map(_shrinks, own, value))
    whole = type(own) is int and type(value) is int
    return whole and 1 <= value <= own


def _differences(layer: nn.Module, fresh: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in vars(layer).items():
        own = vars(fresh).get(key)
        if not key.startswith("_") and value != own and _shrinks(own, value):
            found[key] = value
    others = dict(_own_tensors(fresh))
    for key, tensor in _own_tensors(layer):
        if tensor.shape != others[key].shape:
            pairs = zip(tensor.shape, others[key].shape, strict=True)
            found[key] = [None if size == of else size for size, of in pairs]
    return found


def _own_tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from layer.named_parameters(recurse=False)
    yield from layer.named_buffers(recurse=False)
