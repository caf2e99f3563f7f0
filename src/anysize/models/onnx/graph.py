"""What can be known of an ONNX file before it is run: inputs, outputs, metadata, where weights lie.

Weights may lie in files beside it. Only files inside the model's own folder are ever read, as the
specification demands (https://onnx.ai/onnx/repo-docs/ExternalData.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError, MissingExtraError

# Protocol Buffers hold no more in one file.
_LARGEST = 1 << 31
_LARGEST_WEIGHTS = 1 << 36


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxGraph:
    """An ONNX file, as far as it is read here.

    Attributes:
        inputs, outputs: name and shape of each; 0 is a free size.
        metadata: its properties.
        probabilities: whether the first output comes from a softmax.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    probabilities: bool


def read_model(path: Path) -> Any:
    """The ``onnx.ModelProto`` of a file, without the weights that lie beside it.

    Raises:
        MissingExtraError: onnx is not installed.
        BundleError: it is no ONNX file, or too large.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx") from error
    if path.stat().st_size > _LARGEST:
        raise BundleError(str(path), f"is larger than {_LARGEST >> 30} GiB")
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:  # Protocol Buffers' own; onnx names no class for it
        raise BundleError(str(path), f"is not an ONNX file: {error}") from error


def read_graph(path: Path) -> OnnxGraph:
    """Reads what a file says of its graph.

    Raises:
        MissingExtraError: onnx is not installed.
        BundleError: it is no ONNX file, too large, or its weights lie outside its folder.
    """
    model = read_model(path)
    if not model.graph.output:
        raise BundleError(str(path), "is not an ONNX file: it has no outputs")
    problems = sorted(set(_outside(model, path)))
    if problems:
        raise BundleError(str(path), "; ".join(problems))
    weights = {item.name for item in model.graph.initializer}
    outputs = {item.name: _shape(item) for item in model.graph.output}
    first = next(iter(outputs))
    maker = next((node.op_type for node in model.graph.node if first in node.output), "")
    return OnnxGraph(
        inputs={item.name: _shape(item) for item in model.graph.input if item.name not in weights},
        outputs=outputs,
        metadata={entry.key: entry.value for entry in model.metadata_props},
        probabilities=maker == "Softmax",
    )


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(int(axis.dim_value) for axis in value.type.tensor_type.shape.dim)


def _outside(model: Any, path: Path) -> Iterator[str]:
    """One sentence for each place of weights that must not be read, or cannot be."""
    folder = path.parent.resolve()
    total = 0
    for entries in _external(model):
        location = entries.get("location", "")
        file = (folder / location).resolve()
        if not location or not file.is_relative_to(folder):
            yield f"its weights lie outside its folder, in {location!r}"
        elif not file.is_file():
            yield f"its weights lie in {location!r}, which is missing"
        else:
            total += int(entries.get("length", 0) or file.stat().st_size)
    if total > _LARGEST_WEIGHTS:
        yield f"its weights are larger than {_LARGEST_WEIGHTS >> 30} GiB"


def _external(model: Any) -> Iterator[dict[str, str]]:
    from onnx import TensorProto
    from onnx.external_data_helper import _get_all_tensors

    for tensor in _get_all_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            yield {entry.key: entry.value for entry in tensor.external_data}


def digest(path: Path) -> str:
    """Tells a file from others by its content."""
    found = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
