"""ONNX networks on several pictures at once."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from anysize.models.onnx.session import OnnxSession

onnx = pytest.importorskip("onnx")


def network(path: Path, batch: int | str) -> Path:
    """The mean and the largest value of each channel."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMax", ["input"], ["largest"], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "levels",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 8, 6])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3])
            for name in ("mean", "largest")
        ],
    )
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize(("threads", "count"), [(1, 4), (2, 1), (2, 5), (3, 7)])
def test_every_picture_in_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    batch: int | str,
    threads: int,
    count: int,
) -> None:
    pytest.importorskip(runtime)
    if runtime == "openvino":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    pictures = np.random.default_rng(0).integers(0, 256, (count, 8, 6, 3)).astype(np.uint8)
    workers = set()

    def prepare(some: np.ndarray) -> np.ndarray:
        workers.add(threading.current_thread().name)
        return np.ascontiguousarray(some.transpose(0, 3, 1, 2), np.float32)

    session = OnnxSession(network(tmp_path / "a.onnx", batch), threads)
    assert session.shape == (batch if isinstance(batch, int) else 0, 3, 8, 6)
    for _ in range(2):
        found = session.run(pictures, prepare)
        np.testing.assert_allclose(found["mean"], pictures.mean((1, 2)), rtol=1e-5)
        np.testing.assert_array_equal(found["largest"], pictures.max((1, 2)))
    alone = batch == "n" or threads == 1 or count < threads
    assert (threading.current_thread().name in workers) is alone
