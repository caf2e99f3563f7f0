"""8-bit integers for weights and activations, calibrated on the data, in OpenVINO (NNCF).

With ``keep`` the layers that suffer most stay in higher precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.compression import calibration, sensitivity
from anysize.compression.fitting import graph_problems
from anysize.compression.protocols import Context
from anysize.compression.quantization import Graph, quantize, save
from anysize.core.errors import ConfigurationError
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.models.spec import open_network

PROVIDES = ("int8",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Options:
    """Parameters of ``int8``.

    Attributes:
        windows: of the training data, that ranges are taken from.
        keep: how many layers stay in higher precision, the most sensitive ones.
    """

    windows: int = 300
    keep: int = 0

    def __post_init__(self) -> None:
        if self.windows < 1 or self.keep < 0:
            raise ConfigurationError(
                f"windows must be at least 1 and keep at least 0, "
                f"not {self.windows} and {self.keep}"
            )


class Int8:
    """See the module."""

    key = "int8"
    needs_data = True
    compiles = True
    options = Int8Options

    def problems(self, network: Network, card: Card) -> list[str]:
        return graph_problems(network)

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        network, card = open_network(str(source))
        examples = calibration.of_training(context, self.key, network, options.windows)
        graph = Graph.of(network, examples)
        keep: list[str] = []
        if options.keep:
            path = None if context.work is None else context.work / "sensitivity.json"
            ranked = sensitivity.remembered(graph, path, context.say)
            keep = [each.layer for each in ranked[: options.keep]]
        save(out, network, card, quantize(graph, keep=keep))


def make(_key: str) -> Int8:
    """The method."""
    return Int8()
