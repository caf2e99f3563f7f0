"""Exports say what they are, agree with torch, and open again as bare files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import anysize
from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError, RunError
from anysize.export.refusing import refuse_other_tokenizer
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, graph_metadata, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

WORDS = ["good", "bad", "film", "plot", "the", "of", "actor", "music"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification",
        labels=("red", "green", "blue"),
        wishes=ImageOptions(image_size=(24, 16)),
    )
    network = spec.build("cnn", request)
    card = Card(
        task="image-classification", labels=request.labels, model="cnn", settings=network.settings
    )
    return bundle.save(tmp_path_factory.mktemp("pictures") / "bundle", network, card)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 12)) for _ in range(60)]
    request = BuildRequest(
        task="text-classification",
        labels=("no", "yes"),
        facts=TextFacts(texts=lambda: iter(lines)),
        wishes=TextOptions(window=32),
    )
    network = spec.build("attention", request)
    network.pool = nn.Linear(int(network.module.config.hidden_size), 1)
    card = Card(task="text-classification", labels=request.labels, model="attention",
                merge="attention", settings=network.settings)  # fmt: skip
    return bundle.save(tmp_path_factory.mktemp("texts") / "bundle", network, card)


@pytest.fixture(scope="module")
def exported(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return anysize.load(pictures).export(tmp_path_factory.mktemp("exported") / "cnn.onnx")


@pytest.fixture(scope="module")
def exported_texts(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return anysize.load(texts).export(tmp_path_factory.mktemp("exported"))


def photographs(count: int = 3) -> list[Any]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8) for i in range(count)]


def scores(path: Path, inputs: list[Any], precision: str = "float32") -> list[float]:
    options = anysize.PredictOptions(precision=precision)
    return [result.score for result in anysize.load(path).predict(inputs, options)]


def test_an_exported_file_says_what_its_inputs_are(exported: Path) -> None:
    model = onnx.load(str(exported))
    onnx.checker.check_model(model, full_check=True)
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert texts["anysize.task"] == "image-classification"
    assert json.loads(texts["anysize.labels"]) == ["red", "green", "blue"]
    image = json.loads(texts["anysize.settings"])
    assert (image["width"], image["height"]) == (24, 16)
    assert image["mean"] == [0.485, 0.456, 0.406]
    assert json.loads(texts["anysize.outputs"]) == ["logits"]
    assert float(texts["anysize.max_difference"]) < 1e-5
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 3, 16, 24]
    assert b"site-packages" not in exported.read_bytes()
    assert plugins.load("export", "onnx").facts(exported)["opset"] == "18"
    assert [path.name for path in exported.parent.iterdir()] == ["cnn.onnx"]


def test_a_bare_file_predicts_as_its_bundle(pictures: Path, exported: Path) -> None:
    np.testing.assert_allclose(
        scores(exported, photographs()), scores(pictures, photographs()), atol=1e-5
    )


def test_texts_of_any_length_through_a_bare_file(texts: Path, exported_texts: Path) -> None:
    assert exported_texts.name == "model.onnx"
    assert (exported_texts.parent / "tokenizer.json").is_file()
    inputs = ["good film", " ".join(WORDS * 20), "music"]
    np.testing.assert_allclose(scores(exported_texts, inputs), scores(texts, inputs), atol=1e-5)
    (exported_texts.parent / "tokenizer.json").rename(exported_texts.parent / "away.json")
    with pytest.raises(BundleError, match=r"no tokenizer\.json beside it"):
        anysize.load(exported_texts)
    (exported_texts.parent / "away.json").rename(exported_texts.parent / "tokenizer.json")


def test_the_opset_can_be_chosen(pictures: Path, tmp_path: Path) -> None:
    path = anysize.load(pictures).export(tmp_path, opset="20")
    assert plugins.load("export", "onnx").facts(path)["opset"] == "20"
    for wrong in ("7", "x", "99"):
        with pytest.raises(ConfigurationError, match=f"opset must be from 18 .* not '{wrong}'"):
            anysize.load(pictures).export(tmp_path, opset=wrong)
    with pytest.raises(ConfigurationError, match="no option 'optset'; it has: opset"):
        anysize.load(pictures).export(tmp_path, optset="20")


def test_a_file_that_differs_from_torch_is_not_written(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anysize.export import onnx as exporter

    class Broken:
        def run(self, _names: object, inputs: dict[str, Any]) -> list[Any]:
            return [np.ones((len(inputs["pixel_values"]), 3), np.float32)]

    monkeypatch.setattr(exporter, "open_session", lambda _path, _threads: Broken())
    with pytest.raises(RunError, match="differs from torch by"):
        anysize.load(pictures).export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_tokenizer_of_another_file_is_not_replaced(texts: Path, tmp_path: Path) -> None:
    model = anysize.load(texts)
    own = model.network.tokenizer
    assert own is not None
    own.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "news.onnx").write_bytes(b"a graph")
    refuse_other_tokenizer(tmp_path / "reviews.onnx", model.network)  # it is the same
    other = json.loads(own.to_str()) | {"added_tokens": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    refuse_other_tokenizer(tmp_path / "news.onnx", model.network)  # its own, written anew
    for name, file_format in (("reviews.onnx", "onnx"), ("reviews.xml", "openvino")):
        with pytest.raises(ConfigurationError, match=r"holds news\.onnx and its tokenizer\.json"):
            model.export(tmp_path / name, file_format)
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == other
    assert len(list(tmp_path.iterdir())) == 2


def test_the_folder_of_another_model_or_run_is_left_alone(pictures: Path, tmp_path: Path) -> None:
    model = anysize.load(pictures)
    for name in ("anysize.json", "recipe.toml", "model.safetensors"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("{}")
        for out in (tmp_path / name, tmp_path / name / "cells.onnx"):
            with pytest.raises(ConfigurationError, match=f"holds {name}, so that it is the folder"):
                model.export(out, "onnx")
        assert [path.name for path in (tmp_path / name).iterdir()] == [name]
    (tmp_path / "page").mkdir()
    (tmp_path / "page/config.json").write_text("{}")  # of some other program
    assert model.export(tmp_path / "page", "onnx").is_file()
    own = tmp_path / "own"
    shutil.copytree(pictures, own)
    assert anysize.load(own).export(own, "onnx") == own / "model.onnx"


def test_openvino_form(texts: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    path = anysize.load(texts).export(tmp_path, "openvino")
    assert {each.name for each in tmp_path.iterdir()} == {
        "model.xml", "model.bin", "tokenizer.json"
    }  # fmt: skip
    model = openvino.Core().read_model(str(path))
    assert model.get_rt_info(["anysize", "task"]).value == "text-classification"
    assert json.loads(model.get_rt_info(["anysize", "labels"]).value) == ["no", "yes"]
    assert {port.get_any_name() for port in model.inputs} == {"input_ids", "attention_mask"}
    assert [port.get_any_name() for port in model.outputs] == ["logits", "scores"]
    assert float(plugins.load("export", "openvino").facts(path)["max_difference"]) < 1e-5


def test_hugging_face_folder(pictures: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageClassification

    path = anysize.load(pictures).export(tmp_path / "out", "huggingface")
    assert {each.name for each in path.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "README.md"
    }  # fmt: skip
    facts = plugins.load("export", "huggingface").facts(path)
    assert facts == {"loads_in": "transformers, after: import anysize.models.cnn"}
    assert "import anysize.models.cnn" in (path / "README.md").read_text(encoding="utf-8")
    module = AutoModelForImageClassification.from_pretrained(path)
    expected = anysize.load(pictures).network.module.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())
    with pytest.raises(ConfigurationError, match="must be a new or an empty folder"):
        anysize.load(pictures).export(path, "huggingface")


def test_a_compiled_form_goes_where_it_fits(texts: Path, tmp_path: Path) -> None:
    from anysize import tasks
    from anysize.compression.chain import parse
    from anysize.compression.protocols import Context

    (step,) = parse("int8-dynamic")
    context = Context(task=tasks.load("text-classification"), original=texts, memory=1 << 31)
    step.method.apply(texts, tmp_path / "small", step.options, context)
    small = anysize.load(tmp_path / "small")
    inputs = ["good film", " ".join(WORDS * 20), "music"]
    found = scores(tmp_path / "small", inputs, "auto")
    assert 0 < max(abs(a - b) for a, b in zip(found, scores(texts, inputs), strict=True)) < 0.05
    path = small.export(tmp_path / "out")
    assert scores(path, inputs, "auto") == pytest.approx(found, abs=1e-6)
    assert anysize.load(path).network.form.precision == "int8-dynamic"  # type: ignore[union-attr]
    for other in ("openvino", "huggingface"):
        with pytest.raises(ConfigurationError, match=f"format '{other}' cannot hold"):
            small.export(tmp_path / other, other)
    with pytest.raises(ConfigurationError, match="a compiled form has its own already"):
        small.export(tmp_path / "again", opset="19")


def test_unknown_formats_are_told_with_those_there_are(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"onnx.*openvino"):
        anysize.load(pictures).export(tmp_path, "ctranslate2")


def foreign(
    path: Path, *, softmax: bool = False, batch: int | str = "n", side: int = 8, classes: Any = 3
) -> Path:
    """A classifier from elsewhere: the mean of each channel, by another name."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat" if softmax else "class"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["flat"], ["class"], axis=1))
    graph = helper.make_graph(
        nodes, "means",
        [helper.make_tensor_value_info("data", kind, [batch, 3, side, side])],
        [helper.make_tensor_value_info("class", kind, [batch, classes])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_classifier_from_elsewhere(tmp_path: Path, batch: int | str, probabilities: bool) -> None:
    path = foreign(tmp_path / "means.onnx", softmax=probabilities, batch=batch)
    (tmp_path / "means.toml").write_text(
        'labels = ["r", "g", "b"]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n', encoding="utf-8"
    )
    colours = [
        np.full((8, 8, 3), rgb, np.uint8) for rgb in ((250, 20, 90), (3, 4, 200), (9, 99, 9))
    ]
    model = anysize.load(path, "image-classification")
    results = list(model.predict(colours))
    assert [result.label for result in results] == ["r", "b", "g"]
    for result, pixels in zip(results, colours, strict=True):
        expected = softmax(pixels[0, 0] / 255).max()
        assert result.score == pytest.approx(expected, abs=1e-4)


def test_without_an_adapter_classes_are_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = foreign(tmp_path / "means.onnx")
    model = anysize.load(path, "image-classification")
    assert "so ImageNet's mean and deviation are taken; --pixels" in caplog.text
    caplog.clear()
    anysize.load(path, "image-classification", pixels="0-1")
    assert not caplog.text
    assert model.card.labels == ("0", "1", "2")
    assert model.card.settings.mean == (0.485, 0.456, 0.406)
    with pytest.raises(BundleError, match="--task"):
        anysize.load(path)


@pytest.mark.parametrize(
    ("adapter", "problem"),
    [
        ('labels = ["a"]', "names 1 labels for 3 classes"),
        ("width = 9", "width of the adapter is 9, but the model's is 8"),
        ('channels = "bgr"', "channels of a classifier must be 'rgb'"),
    ],
)
def test_adapters_that_do_not_fit(tmp_path: Path, adapter: str, problem: str) -> None:
    path = foreign(tmp_path / "means.onnx")
    (tmp_path / "means.toml").write_text(adapter, encoding="utf-8")
    with pytest.raises(BundleError, match=problem):
        anysize.load(path, "image-classification")


def test_labels_that_do_not_fit_the_logits(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported))
    texts = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**texts, "anysize.labels": '["a", "b"]'})
    onnx.save(model, str(tmp_path / "fewer.onnx"))
    with pytest.raises(BundleError, match="gives 3 logits, and its metadata name 2 labels"):
        anysize.load(tmp_path / "fewer.onnx")
    # Where the graph does not say how many it gives, the first batch does.
    path = foreign(tmp_path / "means.onnx", classes="any")
    (tmp_path / "means.toml").write_text('labels = ["a", "b"]\n', encoding="utf-8")
    model = anysize.load(path, "image-classification")
    with pytest.raises(BundleError, match="gives 3 logits, and there are 2 labels"):
        list(model.predict(photographs()))


def test_weights_outside_the_folder_are_never_read(tmp_path: Path, exported: Path) -> None:
    from onnx.external_data_helper import convert_model_to_external_data

    folder = tmp_path / "model"
    folder.mkdir()
    model = onnx.load(str(exported))
    convert_model_to_external_data(model, location="weights.bin")
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    assert scores(path, photographs()) == pytest.approx(scores(exported, photographs()), abs=1e-6)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    with pytest.raises(BundleError, match=r"'weights\.bin', which is missing"):
        anysize.load(path)
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(BundleError, match="outside its folder"):
        anysize.load(path)
    path.write_bytes(b"no model at all")
    with pytest.raises(BundleError, match="is not an ONNX file"):
        anysize.load(path)


def test_large_weights_go_beside_the_file(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anysize.runtimes import onnx_conversion

    monkeypatch.setattr(onnx_conversion, "LARGEST_FILE", 0)
    path = anysize.load(pictures).export(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data"}
    assert scores(path, photographs()) == pytest.approx(scores(pictures, photographs()), abs=1e-5)


def test_damaged_metadata(exported: Path, tmp_path: Path) -> None:
    texts = {entry.key: entry.value for entry in onnx.load(str(exported)).metadata_props}
    known = graph_metadata.read(texts, "x")
    assert known is not None and known.card.labels == ("red", "green", "blue")
    assert graph_metadata.read({"task": "x"}, "x") is None
    for name in ("anysize.labels", "anysize.outputs", "anysize.settings"):
        with pytest.raises(BundleError):
            graph_metadata.read({**texts, name: "{"}, "x")
