"""Heads and feed-forward units of transformer encoders.

A head is removed with its rows of the query, key and value projections and its columns of the
output's (Michel et al. 2019, "Are sixteen heads really better than one?", arXiv:1905.10650), a
feed-forward unit with its row and column of the two layers. The hidden size stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from anysize.compression.flops import Flops
from anysize.compression.groups import Group, Reader, Side, step_of
from anysize.models.network import Network
from anysize.models.thinned import layers_of

_STAYING = 0.125


class _Form(NamedTuple):
    """Where a family's layer keeps its parts."""

    attention: str
    query: str
    key: str
    value: str
    output: str
    up: str
    down: str


_FORMS = (
    _Form(
        "attention.self", "attention.self.query", "attention.self.key", "attention.self.value",
        "attention.output.dense", "intermediate.dense", "output.dense",
    ),
    _Form(
        "attention", "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
        "ffn.lin1", "ffn.lin2",
    ),
    _Form(
        "attention", "attention.q_proj", "attention.k_proj", "attention.v_proj",
        "attention.o_proj", "mlp.fc1", "mlp.fc2",
    ),
)  # fmt: skip
# What attention modules call the number of their heads, and the width of all together.
_HEADS = ("num_attention_heads", "num_heads", "n_heads")
_WIDTHS = ("all_head_size",)


def transformer_groups(network: Network, flops: Flops, multiple: int) -> list[Group] | None:
    """The groups of an encoder whose layers are of a known form; None of any other network.

    Args:
        network: on the CPU.
        flops: of the network.
        multiple: how many feed-forward units stay is a multiple of this.
    """
    found = layers_of(network.module)
    if found is None:
        return None
    name, layers = found
    config = network.module.config
    forms = [_form(layer) for layer in layers]
    if not all(forms):
        return None
    head_size = int(config.hidden_size) // int(config.num_attention_heads)
    groups: list[Group] = []
    for number, (layer, form) in enumerate(zip(layers, forms, strict=True)):
        assert form is not None
        parts = {key: layer.get_submodule(path) for key, path in form._asdict().items()}
        places = {key: f"{name}.{number}.{path}" for key, path in form._asdict().items()}
        groups.append(_heads(parts, places, head_size))
        groups.append(_units(parts, places, multiple))
    heads = sum(group.units for group in groups[::2])
    return [
        dataclasses.replace(group, extra=flops.rest / heads) if place % 2 == 0 else group
        for place, group in enumerate(groups)
    ]


def _form(layer: nn.Module) -> _Form | None:
    for form in _FORMS:
        try:
            parts = [layer.get_submodule(path) for path in form[1:]]
        except AttributeError:
            continue
        if all(isinstance(part, nn.Linear) for part in parts):
            return form
    return None


def _heads(parts: dict[str, Any], places: dict[str, str], head_size: int) -> Group:
    heads = parts["query"].out_features // head_size
    inputs = torch.arange(heads * head_size).view(heads, head_size)
    return Group(
        name=places["attention"],
        units=heads,
        step=1,
        least=1,
        readers=(Reader(layer=parts["output"], inputs=inputs),),
        sides=(
            *(
                Side(layer=places[key], side="outputs", share=1 / heads)
                for key in ("query", "key", "value")
            ),
            Side(layer=places["output"], side="inputs", share=1 / heads),
        ),
        remove=_remove_heads(parts, inputs),
    )


def _units(parts: dict[str, Any], places: dict[str, str], multiple: int) -> Group:
    units = parts["up"].out_features
    step = step_of(units, multiple)
    return Group(
        name=places["up"],
        units=units,
        step=step,
        least=max(step, int(units * _STAYING) // step * step),
        readers=(Reader(layer=parts["down"], inputs=torch.arange(units).view(units, 1)),),
        sides=(
            Side(layer=places["up"], side="outputs", share=1 / units),
            Side(layer=places["down"], side="inputs", share=1 / units),
        ),
        remove=lambda numbers: _remove(parts["up"], parts["down"], numbers),
    )


def _remove_heads(parts: dict[str, Any], inputs: torch.Tensor) -> Callable[[Sequence[int]], None]:
    def remove(numbers: Sequence[int]) -> None:
        rows = inputs[list(numbers)].reshape(-1).tolist()
        _shrink(parts["query"], rows, 0)
        _shrink(parts["key"], rows, 0)
        _remove(parts["value"], parts["output"], rows)
        attention = parts["attention"]
        for names, left in (
            (_HEADS, len(inputs) - len(numbers)),
            (_WIDTHS, inputs.numel() - len(rows)),
        ):
            for name in names:
                if isinstance(getattr(attention, name, None), int):
                    setattr(attention, name, left)

    return remove


def _remove(makes: nn.Linear, reads: nn.Linear, numbers: Sequence[int]) -> None:
    _shrink(makes, numbers, 0)
    _shrink(reads, numbers, 1)


def _shrink(layer: nn.Linear, numbers: Sequence[int], side: int) -> None:
    """Takes outputs (side 0) or inputs (side 1) away."""
    stays = torch.ones(layer.weight.shape[side], dtype=torch.bool)
    stays[list(numbers)] = False
    left = stays.nonzero().squeeze(1)
    layer.weight = nn.Parameter(layer.weight.detach().index_select(side, left))
    if side == 0:
        layer.out_features = len(left)
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[left])
    else:
        layer.in_features = len(left)
