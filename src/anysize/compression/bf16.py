"""Weights stored as bfloat16: half the file; the planner chooses the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anysize.compression import graph_weights, streaming
from anysize.compression.protocols import Context
from anysize.models import sparse
from anysize.models.bundle import Card
from anysize.models.graph_files import graph_file
from anysize.models.network import Network
from anysize.models.tensor_file import SINGLE

PROVIDES = ("bf16",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bfloat16Options:
    """``bf16`` has no parameters."""


class Bfloat16:
    """See the module."""

    key = "bf16"
    needs_data = False
    compiles = False
    options = Bfloat16Options

    def problems(self, network: Network, card: Card) -> list[str]:
        return [] if graph_weights.has_graph_file(network) else streaming.problems(network)

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        if (graph := graph_file(source)) is not None:
            graph_weights.rewrite(graph, out, graph_weights.halved)
            return
        streaming.rewrite(source, out, _Halved, SINGLE)
        if (source / sparse.FILE).is_file():
            sparse.pack(out)  # its zeros take no more room than before


class _Halved:
    def __init__(self, module: nn.Module) -> None:
        pass

    def layout(
        self, name: str, kind: torch.dtype, shape: tuple[int, ...]
    ) -> dict[str, streaming.Layout]:
        return {name: (torch.bfloat16 if kind.is_floating_point else kind, shape)}

    def block(self, name: str, rows: Tensor) -> dict[str, Tensor]:
        return {name: rows.bfloat16() if rows.is_floating_point() else rows}


def make(_key: str) -> Bfloat16:
    """The method."""
    return Bfloat16()
