"""Weights alone in 8 or 4 bits, for large encoders and generators; arithmetic as before.

Linear layers (GPT-2's ``Conv1D`` too) and embeddings of more than eight thousand weights are
rounded to nearest: ``int8-weights`` with a scale for each row, ``int4-weights`` with a scale and a
minimum for each group of columns (embeddings stay in 8 bits). The weights are never all in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anysize.compression import streaming
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.models.quantized_weights import (
    FILE,
    MINIMUM,
    QUANTIZED,
    SCALE,
    quantizable,
    quantize_groups,
    quantize_rows,
)

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
        found = streaming.problems(network)
        if not found and not quantizable(network.module):
            found = ["it has no linear layer or embedding that is large enough"]
        return found

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        group = getattr(options, "group", 0)
        streaming.rewrite(source, out, lambda module: _Rounded(module, group), FILE)


class _Rounded:
    """Rounds the layers that are worth it.

    Args:
        module: where they are.
        group: columns of a group, in 4 bits; 0 is 8 bits.
    """

    def __init__(self, module: nn.Module, group: int) -> None:
        self._groups = {
            f"{name}.weight": 0 if isinstance(layer, nn.Embedding) else group
            for name, layer in quantizable(module).items()
        }

    def layout(
        self, name: str, kind: torch.dtype, shape: tuple[int, ...]
    ) -> dict[str, streaming.Layout]:
        group = self._groups.get(name)
        if group is None:
            return {name: (kind, shape)}
        stem = name.removesuffix(".weight")
        rows, columns = shape
        if not group:
            return {
                stem + QUANTIZED: (torch.int8, shape),
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
        stem = name.removesuffix(".weight")
        if not group:
            parts: tuple[Tensor, ...] = quantize_rows(rows)
        else:
            parts = quantize_groups(rows, group)
        names = (QUANTIZED, SCALE, MINIMUM)
        return {stem + suffix: part for suffix, part in zip(names, parts, strict=False)}


def make(key: str) -> Weights:
    """The method of that name."""
    return Weights(key)
