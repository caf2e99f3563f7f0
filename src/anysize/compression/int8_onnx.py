"""8-bit integers for weights and activations of picture models, calibrated on the data, as ONNX.

The graph has a QuantizeLinear and a DequantizeLinear around every layer in int8 (ONNX Runtime's
static quantization), which other runtimes than ONNX Runtime read as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.compression import calibration
from anysize.compression.fitting import weight_problems
from anysize.compression.onnx_graphs import float32_graph, save
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.runtimes.feeding import feeding, graph_inputs

PROVIDES = ("int8-onnx",)

FORM = "runtimes/onnx-int8/model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8OnnxOptions:
    """Parameters of ``int8-onnx``.

    Attributes:
        windows: of the training data, that ranges are taken from.
        per_channel: a scale for each output channel of the weights instead of one for all.
        reduce_range: weights in 7 bits, for x86 processors without VNNI, where sums of 8-bit
            products may be cut off.
    """

    windows: int = 300
    per_channel: bool = True
    reduce_range: bool = False

    def __post_init__(self) -> None:
        if self.windows < 1:
            raise ConfigurationError(f"windows must be at least 1, not {self.windows}")


class Int8Onnx:
    """See the module."""

    key = "int8-onnx"
    needs_data = True
    compiles = True
    options = Int8OnnxOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        if not isinstance(network.settings, ImageSettings):
            return ["it is for models of pictures: use int8, or int8-dynamic for ONNX"]
        return weight_problems(network)

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        network, card = open_network(str(source))
        examples = calibration.of_training(context, self.key, network, options.windows)
        save(
            out,
            network,
            card,
            FORM,
            "int8",
            lambda path: quantize(network, examples, path, options),
        )


def quantize(
    network: Network, examples: Sequence[Example], path: Path, options: Int8OnnxOptions
) -> None:
    """Writes a network's graph in int8.

    Args:
        network: with weights.
        examples: what the ranges of activations are taken from.
        path: of the ONNX file; its folder is made.
        options: of the method.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with float32_graph(network, path) as dense:
        # Joins convolutions with the normalisation behind them, which else stays in float32.
        joined = dense.with_name("joined.onnx")
        quant_pre_process(str(dense), str(joined), skip_symbolic_shape=True)
        quantize_static(
            str(joined),
            str(path),
            _Reader(network, examples),
            quant_format=QuantFormat.QDQ,
            per_channel=options.per_channel,
            reduce_range=options.reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


class _Reader:
    """Windows as ONNX Runtime's calibration asks for them, one at a time."""

    def __init__(self, network: Network, examples: Sequence[Example]) -> None:
        self._names = [item.name for item in graph_inputs(network)]
        self._feeding = feeding(network)
        self._examples: Iterator[Example] = iter(examples)

    def get_next(self) -> dict[str, Any] | None:
        """The next window's inputs by name; None when there are no more."""
        example = next(self._examples, None)
        if example is None:
            return None
        return dict(zip(self._names, self._feeding([example]), strict=True))


def make(_key: str) -> Int8Onnx:
    """The method."""
    return Int8Onnx()
