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
    """Where a family's layer keeps its parts.

    Attributes:
        attention: the module of attention.
        projections: linear layers of query, key and value; or one that makes all three, in parts
            of one size.
        output: the linear layer that reads the heads.
        units: pairs of linear layers, of which the second one reads what the first one makes.
    """

    attention: str
    projections: tuple[str, ...]
    output: str
    units: tuple[tuple[str, str], ...]


_FORMS = (
    _Form(
        "attention.self",
        ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.output.dense", (("intermediate.dense", "output.dense"),),
    ),
    _Form(
        "attention", ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention.out_lin", (("ffn.lin1", "ffn.lin2"),),
    ),
    _Form(
        "attention", ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        "attention.o_proj", (("mlp.fc1", "mlp.fc2"),),
    ),
    # wav2vec 2.0 and its kin.
    _Form(
        "attention", ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        "attention.out_proj", (("feed_forward.intermediate_dense", "feed_forward.output_dense"),),
    ),
    # The encoder of Whisper.
    _Form(
        "self_attn", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "self_attn.out_proj", (("fc1", "fc2"),),
    ),
    # The conformer here.
    _Form(
        "attention", ("attention.projections",), "attention.output",
        (("before.inner", "before.output"), ("after.inner", "after.output")),
    ),
)  # fmt: skip
# Of attention whose heads cannot go one by one (WavLM: each has its own bias by distance).
_WHOLE = "gru_rel_pos_linear"
# What attention modules call the number of their heads, and the width of all together.
_HEADS = ("num_attention_heads", "num_heads", "n_heads", "heads")
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
    own_heads = getattr(config, "num_attention_heads", None) or config.num_heads
    head_size = int(config.hidden_size) // int(own_heads)
    groups: list[Group] = []
    attending: list[int] = []
    for number, (layer, form) in enumerate(zip(layers, forms, strict=True)):
        assert form is not None
        parts = _Parts(layer, f"{name}.{number}")
        if not hasattr(layer.get_submodule(form.attention), _WHOLE):
            attending.append(len(groups))
            groups.append(_heads(parts, form, head_size))
        groups += [_units(parts, up, down, multiple) for up, down in form.units]
    if attending:
        extra = flops.rest / sum(groups[place].units for place in attending)
        for place in attending:
            groups[place] = dataclasses.replace(groups[place], extra=extra)
    return groups


class _Parts(NamedTuple):
    """A layer and its name in the network."""

    layer: nn.Module
    name: str

    def place(self, path: str) -> str:
        """The name of a part in the network."""
        return f"{self.name}.{path}"

    def linear(self, path: str) -> nn.Linear:
        """A part that is a linear layer."""
        found = self.layer.get_submodule(path)
        assert isinstance(found, nn.Linear)
        return found


def _form(layer: nn.Module) -> _Form | None:
    for form in _FORMS:
        paths = (*form.projections, form.output, *(path for pair in form.units for path in pair))
        try:
            parts = [layer.get_submodule(path) for path in paths]
            layer.get_submodule(form.attention)
        except AttributeError:
            continue
        if all(isinstance(part, nn.Linear) for part in parts):
            return form
    return None


def _heads(parts: _Parts, form: _Form, head_size: int) -> Group:
    output = parts.linear(form.output)
    heads = output.in_features // head_size
    inputs = torch.arange(heads * head_size).view(heads, head_size)
    return Group(
        name=parts.place(form.attention),
        units=heads,
        step=1,
        least=1,
        readers=(Reader(layer=output, inputs=inputs),),
        sides=(
            *(
                Side(layer=parts.place(path), side="outputs", share=1 / heads)
                for path in form.projections
            ),
            Side(layer=parts.place(form.output), side="inputs", share=1 / heads),
        ),
        remove=_remove_heads(parts, form, inputs),
    )


def _units(parts: _Parts, up: str, down: str, multiple: int) -> Group:
    makes, reads = parts.linear(up), parts.linear(down)
    units = makes.out_features
    step = step_of(units, multiple)
    return Group(
        name=parts.place(up),
        units=units,
        step=step,
        least=max(step, int(units * _STAYING) // step * step),
        readers=(Reader(layer=reads, inputs=torch.arange(units).view(units, 1)),),
        sides=(
            Side(layer=parts.place(up), side="outputs", share=1 / units),
            Side(layer=parts.place(down), side="inputs", share=1 / units),
        ),
        remove=lambda numbers: _remove(makes, reads, numbers),
    )


def _remove_heads(
    parts: _Parts, form: _Form, inputs: torch.Tensor
) -> Callable[[Sequence[int]], None]:
    def remove(numbers: Sequence[int]) -> None:
        rows = inputs[list(numbers)].reshape(-1).tolist()
        for path in form.projections:
            layer = parts.linear(path)
            # Of a layer that makes query, key and value the same rows of each.
            shares = 3 if len(form.projections) == 1 else 1
            size = layer.out_features // shares
            _shrink(layer, [row + part * size for part in range(shares) for row in rows], 0)
        _shrink(parts.linear(form.output), rows, 1)
        attention: Any = parts.layer.get_submodule(form.attention)
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
