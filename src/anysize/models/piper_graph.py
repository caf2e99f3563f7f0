"""A Piper voice's graph whose noise comes from outside.

VITS draws noise for durations and for the sound (Kim et al. 2021, arXiv:2106.06103). In the graph
these are nodes that draw anew in every run, so that a sentence would sound otherwise each time, and
by what was run before it. Here each of them becomes a look-up in an input of noise, which is
repeated where it is too short; the same sentence then gives the same samples, alone and among
others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError
from anysize.models.onnx.graph import read_model

NOISE = "anysize_noise"
"""The input: float32 of any length of at least 1."""

_DRAWS = ("RandomNormalLike", "RandomNormal")
# Far apart, so that two nodes do not see the same noise.
_STRIDE = 7919


def seeded(path: Path) -> bytes:
    """The graph as an ONNX file that takes `NOISE` beside its own inputs.

    Raises:
        MissingExtraError: onnx is not installed.
        BundleError: it is no ONNX file, too large, or draws noise in another way.
    """
    model = read_model(path)
    from onnx import TensorProto, helper

    graph = model.graph
    if any(node.op_type.startswith("Random") and node.op_type != _DRAWS[0] for node in graph.node):
        raise BundleError(str(path), "generates its noise in an unsupported way")
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == _DRAWS[0]:
            nodes += _looked_up(helper, node, len(nodes))
        else:
            nodes.append(node)
    drawn = len(nodes) > len(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    if drawn:
        graph.input.append(helper.make_tensor_value_info(NOISE, TensorProto.FLOAT, ["noise"]))
    content: bytes = model.SerializeToString()
    return content


def _looked_up(helper: Any, node: Any, number: int) -> list[Any]:
    """Nodes that give noise in the shape of the node's input."""
    from onnx import TensorProto

    scale, mean = 1.0, 0.0
    for attribute in node.attribute:
        scale = attribute.f if attribute.name == "scale" else scale
        mean = attribute.f if attribute.name == "mean" else mean
    name = f"{NOISE}_{number}"

    def constant(key: str, value: int | float, kind: int) -> Any:
        tensor = helper.make_tensor(f"{name}/{key}", kind, [], [value])
        return helper.make_node("Constant", [], [f"{name}/{key}"], value=tensor)

    return [
        constant("zero", 0, TensorProto.INT64),
        constant("one", 1, TensorProto.INT64),
        constant("first", _STRIDE * number, TensorProto.INT64),
        constant("scale", scale, TensorProto.FLOAT),
        constant("mean", mean, TensorProto.FLOAT),
        helper.make_node("Shape", [node.input[0]], [f"{name}/shape"]),
        helper.make_node("ReduceProd", [f"{name}/shape"], [f"{name}/count"], keepdims=0),
        helper.make_node("Shape", [NOISE], [f"{name}/sides"]),
        helper.make_node("ReduceProd", [f"{name}/sides"], [f"{name}/length"], keepdims=0),
        helper.make_node("Range", [f"{name}/zero", f"{name}/count", f"{name}/one"],
                         [f"{name}/range"]),
        helper.make_node("Add", [f"{name}/range", f"{name}/first"], [f"{name}/moved"]),
        helper.make_node("Mod", [f"{name}/moved", f"{name}/length"], [f"{name}/places"]),
        helper.make_node("Gather", [NOISE, f"{name}/places"], [f"{name}/flat"], axis=0),
        helper.make_node("Reshape", [f"{name}/flat", f"{name}/shape"], [f"{name}/drawn"]),
        helper.make_node("Mul", [f"{name}/drawn", f"{name}/scale"], [f"{name}/scaled"]),
        helper.make_node("Add", [f"{name}/scaled", f"{name}/mean"], [node.output[0]]),
    ]  # fmt: skip
