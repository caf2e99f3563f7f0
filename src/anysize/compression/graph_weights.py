"""Weights of a graph file (ONNX) in 8 or 16 bits; all arithmetic stays in float32.

A weight becomes a smaller tensor and one or two nodes that give it back, of operators that every
runtime of ONNX has. ONNX Runtime computes them once, when it opens the file, so that the graph runs
as before; nothing of it is calibrated.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anysize.core.errors import BundleError
from anysize.core.files import disk_errors, replace_folder, scratch, write_json
from anysize.models.network import Network
from anysize.models.onnx.graph import read_model
from anysize.models.quantized_weights import quantize_rows
from anysize.models.rounded_tensors import matrix

NOT_IN_GRAPHS = "weights of a graph file are stored in 8 or 16 bits: use int8-weights or bf16"

# A tensor that is smaller gains nothing worth its error.
_SMALLEST = 1 << 13

Store = Callable[[Any], tuple[list[Any], list[Any]]]
"""From a tensor of a graph (``onnx.TensorProto``) to what is stored and the nodes that read it."""


def has_graph_file(network: Network) -> bool:
    """Whether a network is a graph file whose weights can be stored otherwise."""
    return bool(files_of(network))


def files_of(network: Network) -> tuple[Path, ...]:
    """The files that such a network is, the graph first; empty of any other network."""
    found: tuple[Path, ...] = getattr(network.module, "files", ())
    return found


def rewrite(graph: Path, out: Path, store: Store) -> None:
    """Writes a folder with the graph, its weights stored otherwise, and what lies beside it.

    Args:
        graph: the file; stays as it is.
        out: of the new folder; not there yet.
        store: what becomes of a large tensor.

    Raises:
        BundleError: it is no ONNX file, or its weights lie in other files.
        MissingExtraError: onnx is not installed.
    """
    model = read_model(graph)
    from onnx import TensorProto

    # Those that may be given as inputs are no constants.
    given = {each.name for each in model.graph.input}
    kept, nodes = [], []
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            raise BundleError(str(graph), "has weights in other files: join them to one first")
        large = tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _SMALLEST
        if not large or len(tensor.dims) < 2 or tensor.name in given:
            kept.append(tensor)
            continue
        stored, reading = store(tensor)
        kept += stored
        nodes += reading
    if not nodes:
        raise BundleError(str(graph), "has no weights that are large enough")
    nodes += list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    with scratch(out.absolute().parent, "weights") as work, disk_errors(out):
        beside = work / "graph"
        beside.mkdir()
        (beside / graph.name).write_bytes(model.SerializeToString())
        for path in graph.parent.glob(f"{graph.name}.*"):
            shutil.copyfile(path, beside / path.name)
        replace_folder(beside, out)


def name_licence(folder: Path, licence: str) -> None:
    """Writes the licence of the weights into the configuration beside a graph, where one is known.

    Args:
        folder: of the graph.
        licence: as the card of the original has it.
    """
    for graph in folder.glob("*.onnx"):
        place = graph.with_name(f"{graph.name}.json")
        if licence == "unknown" or not place.is_file():
            continue
        entries = json.loads(place.read_text(encoding="utf-8"))
        if isinstance(entries, dict):
            write_json(place, {**entries, "licence": licence})


def rounded(tensor: Any) -> tuple[list[Any], list[Any]]:
    """Eight bits, with a scale for each row; see `Store`."""
    from onnx import TensorProto, helper, numpy_helper

    values = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    rows, columns = matrix(values)
    numbers, scale = quantize_rows(values.view(rows, columns))
    name, ones = tensor.name, (1,) * (values.ndim - 1)
    stored = [
        numpy_helper.from_array(numbers.view(values.shape).numpy(), f"{name}.quantized"),
        numpy_helper.from_array(scale.view(rows, *ones).numpy(), f"{name}.scale"),
    ]
    nodes = [
        helper.make_node("Cast", [f"{name}.quantized"], [f"{name}.numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.numbers", f"{name}.scale"], [name]),
    ]
    return stored, nodes


def halved(tensor: Any) -> tuple[list[Any], list[Any]]:
    """bfloat16; see `Store`."""
    from onnx import TensorProto, helper, numpy_helper

    values = torch.from_numpy(numpy_helper.to_array(tensor).copy()).bfloat16()
    name = tensor.name
    stored = helper.make_tensor(
        f"{name}.halved", TensorProto.BFLOAT16, tensor.dims,
        values.view(torch.int16).numpy().tobytes(), raw=True,
    )  # fmt: skip
    return [stored], [helper.make_node("Cast", [f"{name}.halved"], [name], to=TensorProto.FLOAT)]
