"""Channels of convolutional nets that go together, found by tracing (torch-pruning).

A channel that is removed from a convolution takes its batch norm, every layer that reads it and,
through residual sums, channels of other convolutions with it (Fang et al. 2023, "DepGraph: Towards
any structural pruning", arXiv:2301.12900).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from anysize.compression.flops import LAYERS
from anysize.compression.groups import Group, Reader, Side, step_of
from anysize.core.errors import MissingExtraError
from anysize.models.classifier import last_linear
from anysize.models.execution import make_execution
from anysize.models.network import Network
from anysize.planning import synthetic

# Removing a channel changes what these make of the others.
_MIXING = (nn.LayerNorm, nn.GroupNorm)
_STAYING = 0.125


def channel_groups(network: Network, multiple: int) -> list[Group]:
    """The groups of a network that can be traced; empty where nothing can be removed.

    What the network gives is no group: it has no reader. Groups under layer norm are left alone.

    Args:
        network: on the CPU.
        multiple: how many channels stay is a multiple of this, where there are enough.

    Raises:
        MissingExtraError: torch-pruning is not installed.
        RuntimeError, ValueError, …: whatever its tracing raises for a net that it cannot follow.
    """
    try:
        from torch_pruning import DependencyGraph
        from torch_pruning.pruner import function
    except ImportError as error:
        raise MissingExtraError("torch-pruning", "compress") from error
    graph = DependencyGraph()
    execution = make_execution(network, "cpu", packed=False)
    windows = synthetic.windows(network, 2)
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        graph.build_dependency(
            network.module,
            windows,
            forward_fn=lambda _module, examples: list(execution(examples).values()),
            verbose=False,
        )
        found = list(graph.get_all_groups())
    names = {module: name for name, module in network.module.named_modules()}
    kept = _pooled_features(network)
    made = []
    for group in found:
        one = _group(group, names, graph, function, multiple)
        if one is not None and not any(reader.layer is kept for reader in one.readers):
            made.append(one)
    return made


def _group(
    found: Any, names: dict[nn.Module, str], graph: Any, function: Any, multiple: int
) -> Group | None:
    root = found[0].dep.target.module
    units = len(found[0].idxs)
    readers: list[Reader] = []
    sides: dict[tuple[str, str], Side] = {}
    for layer, reads, inputs, origins in _items(found, graph, function):
        if isinstance(layer, _MIXING):
            return None
        if not isinstance(layer, LAYERS):
            continue
        if layer not in names or (_grouped(layer) and not _depthwise(layer)):
            return None
        places: list[list[int]] = [[] for _ in range(units)]
        for place, origin in zip(inputs, origins, strict=True):
            places[origin].append(place)
        if len({len(each) for each in places}) != 1 or not places[0]:
            return None
        weight = layer.weight
        assert isinstance(weight, nn.Parameter)
        side = Side(
            layer=names[layer],
            side="inputs" if reads else "outputs",
            share=len(places[0]) / weight.shape[1 if reads else 0],
        )
        sides[side.layer, side.side] = side
        if reads:
            readers.append(Reader(layer=layer, inputs=torch.tensor(places)))
    step = step_of(units, multiple)
    least = max(step, int(units * _STAYING) // step * step)
    if not readers or least >= units:
        return None
    return Group(
        name=names[root],
        units=units,
        step=step,
        least=least,
        readers=tuple(readers),
        sides=tuple(sides.values()),
        remove=lambda numbers: found.prune(idxs=list(numbers)),
    )


def _items(
    found: Any, graph: Any, function: Any
) -> Iterator[tuple[Any, bool, list[int], list[int]]]:
    """Of each part of a group: the module, whether it reads, its places, and the units of these."""
    for item in found.items:
        layer, handler = item.dep.target.module, item.dep.handler
        if isinstance(layer, LAYERS) and _depthwise(layer):
            yield layer, False, item.idxs, item.root_idxs
        else:
            yield layer, graph.is_in_channel_pruning_fn(handler), item.idxs, item.root_idxs


def _grouped(layer: nn.Module) -> bool:
    return int(getattr(layer, "groups", 1)) > 1


def _depthwise(layer: nn.Module) -> bool:
    return _grouped(layer) and layer.groups == layer.out_channels


def _pooled_features(network: Network) -> nn.Module | None:
    """The layer whose inputs learned pooling reads as well; their number must stay."""
    if network.pool is None:
        return None
    return last_linear(network.module, int(network.module.config.num_labels or 0))
