"""8-bit integers without calibration, in ONNX Runtime: activations get their ranges as they come.

Weights of matrix products and embeddings become int8; each matrix product measures the range of
its input when it runs (ONNX Runtime's dynamic quantization).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from anysize.compression.fitting import graph_problems
from anysize.compression.onnx_graphs import float32_graph, save
from anysize.compression.protocols import Context
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.models.spec import open_network

PROVIDES = ("int8-dynamic",)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

FORM = "runtimes/onnx-int8-dynamic/model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicOptions:
    """Parameters of ``int8-dynamic``.

    Attributes:
        per_channel: a scale for each output of a matrix product instead of one for all.
    """

    per_channel: bool = True


class Int8Dynamic:
    """See the module."""

    key = "int8-dynamic"
    needs_data = False
    compiles = True
    options = DynamicOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        if found := graph_problems(network):
            return found
        if any(isinstance(layer, _CONVOLUTIONS) for layer in network.module.modules()):
            return ["it is for matrix products, and this model goes through convolutions: use int8"]
        return []

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        network, card = open_network(str(source))
        save(
            out, network, card, FORM, self.key,
            lambda path: _quantize(network, path, options.per_channel),
        )  # fmt: skip


def _quantize(network: Network, path: Path, per_channel: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with float32_graph(network, path) as dense:
        quantize_dynamic(dense, path, per_channel=per_channel, weight_type=QuantType.QInt8)


def make(_key: str) -> Int8Dynamic:
    """The method."""
    return Int8Dynamic()
