"""ONNX detectors: adapter files, decoders, and a network made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anysize
from anysize.core.errors import BundleError
from anysize.core.objects import ObjectResult
from anysize.models import spec
from anysize.models.onnx.adapter import find_adapter, read_adapter
from anysize.models.onnx.decoders import make_decoder

onnx = pytest.importorskip("onnx")

LABELS = '["red", "blue"]'


def model(path: Path) -> Path:
    """A "detector" whose only box is in the corner and whose scores are the mean colours."""
    from onnx import TensorProto, helper, numpy_helper

    box = np.array([[[0.25, 0.5, 0.5, 1.0]]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["colours"], axes=[2, 3], keepdims=0),
        helper.make_node("Gather", ["colours", "places"], ["few"], axis=1),
        helper.make_node("Unsqueeze", ["few", "axis"], ["scores"]),
        helper.make_node("Identity", ["box"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 32, 48])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 2]),
        ],
        [
            numpy_helper.from_array(box, "box"),
            numpy_helper.from_array(np.array([0, 2], np.int64), "places"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def adapter(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def detected(path: Path, pixels: np.ndarray) -> ObjectResult:
    loaded = anysize.load(path)
    options = anysize.PredictOptions(memory="4GiB")
    (result,) = loaded.predict([pixels], options)
    assert isinstance(result, ObjectResult)
    return result


def picture(red: int, blue: int) -> np.ndarray:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = red, blue
    return pixels


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_model_with_its_adapter(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(runtime)
    if runtime == "openvino":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = model(tmp_path / "colours.onnx")
    adapter(tmp_path / "colours.toml", f'labels = {LABELS}\n[decoder]\nkind = "boxes"\n')
    result = detected(path, picture(204, 51))
    (only,) = result.prediction
    assert only["label"] == "red"
    assert only["score"] == pytest.approx(0.8, abs=1e-3)
    assert only["box"] == [12.0, 16.0, 24.0, 32.0]
    assert sorted(result.detections.scores.tolist()) == pytest.approx([0.2, 0.8], abs=1e-4)


def test_channels_and_scaling_are_the_adapters(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = model(tmp_path / "colours.onnx")
    adapter(
        tmp_path / "colours.json",
        '{"labels": ["red", "blue"], "channels": "bgr", "mean": [0, 0, 0.1], "std": [1, 1, 0.5],'
        ' "decoder": {"kind": "boxes"}}',
    )
    # Blue comes first: (0.2 - 0.1) / 0.5.
    found = detected(path, picture(204, 51)).detections
    by_class = dict(zip(found.classes.tolist(), found.scores.tolist(), strict=True))
    assert by_class == pytest.approx({0: 0.2, 1: 0.8}, abs=1e-3)


def test_an_onnx_file_alone_says_too_little(tmp_path: Path) -> None:
    path = model(tmp_path / "colours.onnx")
    with pytest.raises(BundleError, match=r"write colours\.toml beside it"):
        find_adapter(path)
    with pytest.raises(BundleError, match=r"write colours\.toml beside it"):
        spec.open_network(str(path))


def test_all_faults_of_an_adapter_at_once(tmp_path: Path) -> None:
    text = 'labels = ["a", "a"]\nwidth = -3\nchannels = "gbr"\nstd = [1, 1, 0]\nsize = 4\n'
    with pytest.raises(BundleError) as caught:
        read_adapter(adapter(tmp_path / "x.toml", text))
    for part in (
        "'size' is not a setting", "'a' is there more than once", "width must be",
        "channels must be 'rgb' or 'bgr'", "std must be three numbers, above zero",
        "decoder must be a table",
    ):  # fmt: skip
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("labels = [", "is not valid TOML"),
        ('labels = "../secret"\n[decoder]\nkind = "boxes"', "must name a file beside the adapter"),
        ('labels = "gone.txt"\n[decoder]\nkind = "boxes"', "cannot be read"),
    ],
)
def test_damaged_adapters(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        read_adapter(adapter(tmp_path / "x.toml", text))


def test_an_adapter_must_fit_its_model(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = model(tmp_path / "colours.onnx")
    adapter(
        tmp_path / "colours.toml",
        f'labels = {LABELS}\nwidth = 64\n[decoder]\nkind = "boxes"\nscores = "odds"\nform = "disc"',
    )
    with pytest.raises(BundleError) as caught:
        spec.open_network(str(path))
    for part in (
        "width is 64, but the model's input has 48",
        "the model has no output 'odds'; it has: boxes, scores",
        "form must be one of corners, centre, not 'disc'",
    ):
        assert part in str(caught.value)


def decoded(settings: dict[str, Any], outputs: dict[str, np.ndarray]) -> tuple[Any, Any]:
    decoder, problems = make_decoder(settings, list(outputs))
    assert problems == []
    arrays = {name: value.astype(np.float32) for name, value in outputs.items()}
    return decoder(arrays, (200, 100))


def test_rows() -> None:
    rows = np.array([[[100, 50, 20, 10, 0.5, 0.2, 0.8], [20, 10, 40, 20, 1.0, 0.3, 0.1]]])
    for transposed in (False, True):
        given = rows.swapaxes(1, 2) if transposed else rows
        settings = {"kind": "rows", "objectness": True, "transposed": transposed}
        scores, boxes = decoded(settings, {"output": given})
        np.testing.assert_allclose(scores, [[[0.1, 0.4], [0.3, 0.1]]], rtol=1e-6)
        np.testing.assert_allclose(boxes, [[[0.45, 0.45, 0.55, 0.55], [0, 0, 0.2, 0.2]]], atol=1e-6)


def test_boxes_with_background() -> None:
    logits = np.array([[[1.0, 2.0, 3.0]]])
    shares = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    outputs = {"boxes": np.array([[[20, 10, 60, 90]]]), "scores": logits}
    settings = {"kind": "boxes", "activation": "softmax", "unit": "pixels"}
    scores, boxes = decoded({**settings, "background": "first"}, outputs)
    np.testing.assert_allclose(scores[0, 0], shares[1:], rtol=1e-6)
    np.testing.assert_allclose(boxes[0, 0], [0.1, 0.1, 0.3, 0.9], rtol=1e-6)
    scores, _ = decoded({**settings, "background": "last"}, outputs)
    np.testing.assert_allclose(scores[0, 0], shares[:-1], rtol=1e-6)


def test_cells() -> None:
    grid = np.zeros((1, 7, 2, 4))
    # The third cell of the second row: half a cell to the right, a quarter up.
    grid[0, :, 1, 2] = [0.5, np.arctanh(0.5), np.arctanh(-0.25), 0.0, np.log(1 / 3), 0.2, 0.9]
    scores, boxes = decoded({"kind": "cells"}, {"758": grid})
    assert scores.shape == (1, 8, 2)
    np.testing.assert_allclose(scores[0, 6], [0, 0.5**0.6 * 0.9**0.4], rtol=1e-5)
    x, y = 2.5 / 4, 0.75 / 2
    np.testing.assert_allclose(boxes[0, 6], [x - 0.25, y - 0.125, x + 0.25, y + 0.125], rtol=1e-5)
    assert (scores[0, [0, 1, 2, 3, 4, 5, 7]] == 0).all()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kind": "magic"}, "decoder kind must be one of boxes, rows, cells, not 'magic'"),
        ({"kind": "rows", "anchor": 3}, "has no setting 'anchor'"),
        ({"kind": "rows", "transposed": 1}, "transposed of the decoder must be true or false"),
        ({"kind": "cells", "weights": [1, -1]}, "weights must be two numbers of at least 0"),
        ({"kind": "rows"}, "output must be one of a, b: the model has several"),
    ],
)
def test_faulty_decoders(settings: dict[str, Any], problem: str) -> None:
    _, problems = make_decoder(settings, ["a", "b"])
    assert any(problem in each for each in problems)
