"""From a module to an ONNX file, through ``torch.export`` and onnxscript.

The graph has a free batch, and a free length where it reads text. Recurrent layers go through the
exporter that traces TorchScript: ``torch.export`` unrolls them over the length of its example. So
do networks that read samples: of wav2vec 2.0 and its kin ``torch.export`` writes the number of
windows, and of steps, of its example into the graph.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from anysize.core.errors import BundleError, MissingExtraError
from anysize.modalities.parts import BATCH, LENGTH, GraphInput
from anysize.models.network import Network
from anysize.runtimes.feeding import graph_inputs, graph_outputs
from anysize.runtimes.tracing import Traceable, example_tensors

OPSET = 18
"""Of ``ai.onnx``: what the exporter is written for; others are made from it."""
OPSETS = range(18, 24)
"""That can be asked for."""

# A file of Protocol Buffers holds less than 2 GiB; what is larger goes beside it.
LARGEST_FILE = 1 << 30
_PACKAGES = ("onnx", "onnxscript")


def can_convert() -> bool:
    """Whether the packages that conversion needs are installed."""
    return all(importlib.util.find_spec(name) for name in _PACKAGES)


def convert(
    network: Network, path: Path, *, opset: int = OPSET, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a network as ONNX, weights float32; what exceeds 1 GiB goes into ``path.data``.

    Args:
        network: with weights.
        path: of the file; its folder is there.
        opset: one of ``OPSETS``.
        metadata: texts for the file's properties.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        BundleError: the module has something that cannot be written as a graph.
    """
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, "onnx")
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in network.module.modules())
    write = _traced if recurrent or _reads_samples(network) else _exported
    with _quiet(), torch.no_grad():
        try:
            write(network, path, opset, metadata or {})
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            lines = str(error).strip().splitlines() or [repr(error)]
            raise BundleError(network.spec, f"cannot be written as ONNX: {lines[0]}") from error


def _exported(network: Network, path: Path, opset: int, metadata: Mapping[str, str]) -> None:
    inputs = graph_inputs(network)
    program = torch.onnx.export(
        Traceable(network),
        example_tensors(network),
        input_names=[item.name for item in inputs],
        output_names=list(graph_outputs(network)),
        dynamic_shapes=(tuple(map(_free, inputs)),),
        opset_version=opset,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model: Any = program.model
    # Each node would carry the lines of source that it came from, with this machine's paths.
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for function in model.functions.values():
        function.metadata_props.clear()
        for node in function.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
    model.metadata_props.clear()
    model.metadata_props.update(metadata)
    program.save(str(path), external_data=_weights(network) > LARGEST_FILE)


def _traced(network: Network, path: Path, opset: int, metadata: Mapping[str, str]) -> None:
    import onnx

    inputs, outputs = graph_inputs(network), graph_outputs(network)
    free = {item.name: _free(item) for item in inputs}
    free |= {
        name: {0: BATCH, 1: LENGTH} if name in network.per_token else {0: BATCH} for name in outputs
    }
    torch.onnx.export(
        Traceable(network),
        example_tensors(network),
        str(path),
        input_names=[item.name for item in inputs],
        output_names=list(outputs),
        dynamic_axes=free,
        opset_version=min(opset, 20),
        dynamo=False,
        external_data=_weights(network) > LARGEST_FILE,
    )
    model = onnx.load(str(path), load_external_data=False)
    if opset > 20:
        model = onnx.version_converter.convert_version(model, opset)
    for node in model.graph.node:
        node.doc_string = ""
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))


def _free(item: GraphInput) -> dict[int, str]:
    return {place: axis for place, axis in enumerate(item.axes) if isinstance(axis, str)}


def _reads_samples(network: Network) -> bool:
    """Whether a window is a row of numbers without an axis for features."""
    values = graph_inputs(network)[0]
    return values.kind is np.float32 and values.axes == (BATCH, LENGTH)


def _weights(network: Network) -> int:
    return sum(item.numel() * item.element_size() for item in network.module.parameters())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what the exporters say of themselves (absent torchvision, deprecations) from users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
