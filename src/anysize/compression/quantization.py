"""Post-training static quantization to 8 bits through NNCF, into OpenVINO's form.

Weights become int8 with a scale for each output channel; activations get ranges from windows of
the data (Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", arXiv:1712.05877). Encoders with attention are smoothed first
(SmoothQuant, Xiao et al. 2023, arXiv:2211.10438).
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError, RunError
from anysize.core.examples import Example
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import Form, Network
from anysize.runtimes.feeding import feeding
from anysize.runtimes.openvino import convert

FORM = "runtimes/openvino-int8/model.xml"
# Operations whose weights NNCF turns into int8.
_KINDS = ("MatMul", "Convolution", "GroupConvolution", "Gather")


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """A network as OpenVINO sees it in float32, and the windows that it is calibrated on.

    Attributes:
        network: where it comes from.
        model: an ``openvino.Model``; never changed.
        examples: the windows.
    """

    network: Network
    model: Any
    examples: Sequence[Example]

    @staticmethod
    def of(network: Network, examples: Sequence[Example]) -> Graph:
        """Converts the network."""
        return Graph(network, convert(network), examples)

    def outputs(self, model: Any, windows: int) -> NDArray[np.float64]:
        """The first output of the first windows, flattened: ``[windows, values]``.

        Args:
            model: this one, or a quantized form of it; runs in float32 but for what is quantized.
            windows: how many, at most.
        """
        import openvino

        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
        feed = feeding(self.network)
        rows = [
            np.array(request.infer(feed([each]), share_inputs=True)[0]).ravel()
            for each in self.examples[:windows]
        ]
        return np.stack(rows).astype(np.float64)

    def layers(self) -> list[str]:
        """Names of the operations that have weights, in the order of execution."""
        return [
            operation.get_friendly_name()
            for operation in self.model.get_ordered_ops()
            if operation.get_type_name() in _KINDS and _has_weights(operation)
        ]


def quantize(graph: Graph, *, keep: Sequence[str] = (), windows: int | None = None) -> Any:
    """The model in int8, as an ``openvino.Model``.

    Args:
        graph: what to quantize; it stays as it is.
        keep: operations that stay in higher precision, by name.
        windows: how many windows the ranges are taken from; None is all.

    Raises:
        MissingExtraError: NNCF is not installed.
        RunError: NNCF cannot quantize this model.
    """
    try:
        import nncf
    except ImportError as error:
        raise MissingExtraError("nncf", "compress") from error
    examples = list(graph.examples[:windows])
    feed = feeding(graph.network)
    transformer = getattr(graph.network.module.config, "num_attention_heads", None) is not None
    with _quiet(nncf):
        try:
            return nncf.quantize(
                graph.model.clone(),
                nncf.Dataset(examples, lambda each: feed([each])),
                subset_size=len(examples),
                model_type=nncf.ModelType.TRANSFORMER if transformer else None,
                ignored_scope=nncf.IgnoredScope(names=list(keep), validate=False),
            )
        except (RuntimeError, ValueError, nncf.ValidationError, nncf.InternalError) as error:
            raise RunError(f"NNCF cannot quantize this model: {error}") from error


def save(out: Path, network: Network, card: Card, model: Any) -> None:
    """Writes a bundle whose weights are the quantized form."""
    import openvino

    def write(folder: Path) -> None:
        path = folder / FORM
        path.parent.mkdir(parents=True)
        openvino.save_model(model, path, compress_to_fp16=False)

    form = Form(
        runtime="openvino",
        precision="int8",
        file=FORM,
        outputs=network.outputs,
        beside=network.beside,
    )
    bundle.save(out, network, dataclasses.replace(card, form=form), write)


def _has_weights(operation: Any) -> bool:
    """Whether an input of the operation is a constant, converted or not."""
    kind = operation.get_type_name()
    places = (0,) if kind == "Gather" else range(operation.get_input_size())
    for place in places:
        node = operation.input_value(place).get_node()
        while node.get_type_name() in ("Convert", "Multiply", "Subtract", "Reshape"):
            node = node.input_value(0).get_node()
        if node.get_type_name() == "Constant" and np.prod(node.get_output_shape(0)) > 1:
            return bool(node.get_output_element_type(0).is_real())
    return False


@contextlib.contextmanager
def _quiet(nncf: Any) -> Iterator[None]:
    """Keeps NNCF's log and progress bars off standard output, which is for results."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
