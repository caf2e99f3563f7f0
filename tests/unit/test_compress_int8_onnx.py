"""int8 of picture models as an ONNX graph with QuantizeLinear and DequantizeLinear nodes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anysize
from anysize.compression.int8_onnx import FORM, Int8Onnx, Int8OnnxOptions, quantize
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Box, Window
from anysize.modalities.numbers.settings import FeatureSettings
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Form, Network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

LABELS = ("red", "green", "blue")


def photographs(count: int, seed: int) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (32, 32, 3)).astype(np.uint8) for _ in range(count)]


def probabilities(path: Path, inputs: list[Any], precision: str) -> list[dict[str, float]]:
    options = anysize.PredictOptions(precision=precision)
    return [each.details["probabilities"] for each in anysize.load(path).predict(inputs, options)]


def examples(count: int) -> list[Example]:
    region = Box(0, 0, 32, 32)
    window = Window("record", 0, region, region, True)
    return [
        Example(ordinal=place, window=window, arrays={"pixels": pixels}, cost=1024)
        for place, pixels in enumerate(photographs(count, 1))
    ]


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification", labels=LABELS, wishes=ImageOptions(image_size=(32, 32))
    )
    network = spec.build("cnn", request)
    network.module.eval()
    return network


def test_int8_as_onnx_agrees_and_is_smaller(network: Network, tmp_path: Path) -> None:
    card = Card(task="image-classification", labels=LABELS, model="cnn", settings=network.settings)
    full = bundle.save(tmp_path / "full", network, card)
    form = Form(runtime="onnx", precision="int8", file=FORM, outputs=network.outputs)
    small = bundle.save(
        tmp_path / "small",
        network,
        dataclasses.replace(card, form=form),
        lambda folder: quantize(network, examples(16), folder / FORM, Int8OnnxOptions()),
    )
    path = anysize.load(small).export(tmp_path / "out")
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert kinds.count("QuantizeLinear") >= kinds.count("Conv") > 0
    assert "BatchNormalization" not in kinds
    dense = anysize.load(full).export(tmp_path / "dense.onnx")
    assert path.stat().st_size < 0.5 * dense.stat().st_size

    pictures = photographs(24, 2)
    found, wanted = probabilities(path, pictures, "int8"), probabilities(full, pictures, "float32")
    off = [max(abs(one[name] - other[name]) for name in LABELS)
           for one, other in zip(found, wanted, strict=True)]  # fmt: skip
    assert 0 < max(off) < 0.05


def test_what_it_does_not_fit(network: Network) -> None:
    with pytest.raises(ConfigurationError, match="windows must be at least 1"):
        Int8OnnxOptions(windows=0)
    card = Card(task="tabular-classification", labels=LABELS, model="dense",
                settings=FeatureSettings(width=2))  # fmt: skip
    numbers = dataclasses.replace(network, settings=card.settings)
    assert Int8Onnx().problems(numbers, card) == [
        "it is for models of pictures: use int8, or int8-dynamic for ONNX"
    ]
    assert not Int8Onnx().problems(network, card)
