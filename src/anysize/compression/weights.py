"""Weights alone in 8 or 4 bits, for large encoders, generators and voices; arithmetic as before.

Linear layers (GPT-2's ``Conv1D`` too) and embeddings of more than eight thousand weights, and of
voices all tensors of that size, are rounded to nearest: ``int8-weights`` with a scale for each row,
``int4-weights`` with a scale and a minimum for each group of columns (embeddings stay in 8 bits).
The weights are never all in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anysize import tasks
from anysize.compression import graph_weights, streaming
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.evaluation.hearing import judged_task
from anysize.models.bundle import Card
from anysize.models.graph_files import graph_file
from anysize.models.network import Network
from anysize.models.quantized_weights import (
    FILE,
    MINIMUM,
    QUANTIZED,
    SCALE,
    quantizable,
    quantize_groups,
    quantize_rows,
    storable,
)
from anysize.tasks.abilities import Audible
from anysize.tasks.protocols import Task

PROVIDES = ("int8-weights", "int4-weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class EightBitOptions:
    """``int8-weights`` has no parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourBitOptions:
    """Parameters of ``int4-weights``.

    Attributes:
        group: columns that share a scale and a minimum; an even number from 16.
    """

    group: int = 128

    def __post_init__(self) -> None:
        if self.group < 16 or self.group % 2:
            raise ConfigurationError(
                f"group must be an even number of at least 16, not {self.group}"
            )


class Weights:
    """See the module."""

    needs_data = False
    compiles = False

    def __init__(self, key: str) -> None:
        self.key = key
        self.options: type[Any] = EightBitOptions if key == "int8-weights" else FourBitOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        if graph_weights.has_graph_file(network):
            return [] if self.key == "int8-weights" else [graph_weights.NOT_IN_GRAPHS]
        found = streaming.problems(network)
        worth = storable if _speaks(tasks.of(card)) else quantizable
        if found or worth(network.module):
            return found
        return ["it has no linear layer or embedding that is large enough"]

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        if (graph := graph_file(source)) is not None:
            graph_weights.rewrite(graph, out, graph_weights.rounded)
            return
        group = getattr(options, "group", 0)
        every = _speaks(context.task)
        streaming.rewrite(source, out, lambda module: _Rounded(module, group, every), FILE)


class _Rounded:
    """Rounds the layers that are worth it.

    Args:
        module: where they are.
        group: columns of a group, in 4 bits; 0 is 8 bits.
        every: whether all tensors are, and not only those that are run in fewer bits.
    """

    def __init__(self, module: nn.Module, group: int, every: bool = False) -> None:
        self._groups = dict.fromkeys(storable(module), group) if every else {}
        for name, layer in quantizable(module).items():
            self._groups[f"{name}.weight"] = 0 if isinstance(layer, nn.Embedding) else group

    def layout(
        self, name: str, kind: torch.dtype, shape: tuple[int, ...]
    ) -> dict[str, streaming.Layout]:
        group = self._groups.get(name)
        if group is None:
            return {name: (kind, shape)}
        stem = name.removesuffix(".weight")
        rows, columns = shape[0], math.prod(shape[1:])
        if not group:
            return {
                stem + QUANTIZED: (torch.int8, (rows, columns)),
                stem + SCALE: (torch.float32, (rows, 1)),
            }
        groups = -(-columns // group)
        return {
            stem + QUANTIZED: (torch.uint8, (rows, groups * group // 2)),
            stem + SCALE: (torch.float16, (rows, groups)),
            stem + MINIMUM: (torch.float16, (rows, groups)),
        }

    def block(self, name: str, rows: Tensor) -> dict[str, Tensor]:
        group = self._groups.get(name)
        if group is None:
            return {name: rows}
        stem, rows = name.removesuffix(".weight"), rows.flatten(1)
        if not group:
            parts: tuple[Tensor, ...] = quantize_rows(rows)
        else:
            parts = quantize_groups(rows, group)
        names = (QUANTIZED, SCALE, MINIMUM)
        return {stem + suffix: part for suffix, part in zip(names, parts, strict=False)}


def _speaks(task: Task) -> bool:
    """Whether it is one of voices, which are convolutions mostly."""
    return isinstance(judged_task(task), Audible)


def make(key: str) -> Weights:
    """The method of that name."""
    return Weights(key)
