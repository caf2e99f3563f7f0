"""Graph files in the place of bundles: OpenVINO's forms, fixed sizes, labels, resize filters."""

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
from anysize import heads
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.columns import ColumnEncoding, TableEncoding
from anysize.models.graph_files import graph_file, is_graph
from anysize.models.network import BuildRequest

openvino = pytest.importorskip("openvino")

LABELS = ('a "quoted" <name>', "grün & blau", "c")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification", labels=LABELS, wishes=ImageOptions(image_size=(24, 16))
    )
    network = spec.build("cnn", request)
    card = Card(task=request.task, labels=LABELS, model="cnn", settings=network.settings)
    return bundle.save(tmp_path_factory.mktemp("pictures") / "bundle", network, card)


@pytest.fixture(scope="module")
def form(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return anysize.load(pictures).export(tmp_path_factory.mktemp("form") / "cnn.xml", "openvino")


def photographs(count: int = 5) -> list[Any]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8) for i in range(count)]


def results(path: Path, inputs: list[Any]) -> list[tuple[str, float]]:
    found = anysize.load(path).predict(inputs, anysize.PredictOptions(precision="float32"))
    return [(result.label, result.score) for result in found]


def same(found: list[tuple[str, float]], wanted: list[tuple[str, float]]) -> None:
    assert [label for label, _ in found] == [label for label, _ in wanted]
    np.testing.assert_allclose([x for _, x in found], [x for _, x in wanted], atol=1e-5)


def changed(form: Path, out: Path, change: Any) -> Path:
    """A form with something changed, as a file of its own."""
    model = openvino.Core().read_model(str(form))
    change(model)
    openvino.save_model(model, out, compress_to_fp16=False)
    return out


def test_a_form_predicts_as_its_bundle(pictures: Path, form: Path) -> None:
    opened = anysize.load(form)
    assert opened.labels == LABELS
    assert opened.card.settings == anysize.load(pictures).card.settings
    same(results(form, photographs()), results(pictures, photographs()))
    # The folder that holds it stands for it, and nothing is written there.
    same(results(form.parent, photographs()), results(pictures, photographs()))
    assert {path.name for path in form.parent.iterdir()} == {"cnn.xml", "cnn.bin"}


def test_texts_of_any_length_through_a_form(tmp_path: Path) -> None:
    torch.manual_seed(0)
    words = ["good", "bad", "film", "plot", "the", "of", "actor", "music"]
    lines = [" ".join(words[number % 5 :]) for number in range(20)]
    request = BuildRequest(
        task="text-classification",
        labels=("no", "yes"),
        facts=TextFacts(texts=lambda: iter(lines)),
        wishes=TextOptions(window=32),
    )
    network = spec.build("attention", request)
    network.pool = nn.Linear(int(network.module.config.hidden_size), 1)
    card = Card(task=request.task, labels=request.labels, model="attention", merge="attention",
                settings=network.settings)  # fmt: skip
    folder = bundle.save(tmp_path / "bundle", network, card)
    path = anysize.load(folder).export(tmp_path / "out", "openvino")
    inputs = ["good film", " ".join(words * 20), "music"]
    same(results(path, inputs), results(folder, inputs))
    assert anysize.inspect(path)["text"]["window"] == 32
    (path.parent / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"no tokenizer\.json beside it"):
        anysize.load(path)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_rows_of_a_table_through_a_graph(tmp_path: Path, runtime: str) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    encoding = TableEncoding(
        columns=(
            ColumnEncoding(name="age", kind="number", fill=40.0, centre=40.0, scale=0.1),
            ColumnEncoding(name="town", kind="category", values=("Ulm", "Köln")),
        )
    )
    request = BuildRequest(
        task="tabular-classification",
        labels=("no", "yes"),
        facts=FeatureFacts(shape=(encoding.width,), encoding=encoding),
    )
    network = spec.build("dense", request)
    card = Card(task=request.task, labels=request.labels, model="dense", settings=network.settings)
    folder = bundle.save(tmp_path / "bundle", network, card)
    path = anysize.load(folder).export(tmp_path / "out", runtime)
    rows = [{"age": "20", "town": "Köln"}, {"age": "61", "town": "Ulm"}, {"town": "Bonn"}]
    same(results(path, rows), results(folder, rows))
    features = anysize.load(path).card.settings
    assert features is not None and features.encoding == encoding


@pytest.mark.parametrize("batch", [1, 2])
def test_a_form_of_a_fixed_batch(pictures: Path, form: Path, tmp_path: Path, batch: int) -> None:
    path = changed(form, tmp_path / "fixed.xml", lambda model: model.reshape([batch, 3, 16, 24]))
    found = results(path, photographs())
    assert len(found) == 5
    same(found, results(pictures, photographs()))


def test_the_size_of_the_graph_counts(form: Path, tmp_path: Path) -> None:
    path = changed(form, tmp_path / "large.xml", lambda model: model.reshape([-1, 3, 32, 40]))
    image = anysize.load(path).card.settings
    assert image is not None and (image.width, image.height) == (40, 32)
    assert len(results(path, photographs())) == 5


def test_inspect_reads_the_card_and_compiles_nothing(
    form: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any, **_named: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    for path in (form, form.parent):
        card = anysize.inspect(path)
        assert isinstance(card, dict)
        assert tuple(card["labels"]) == LABELS and card["image"]["width"] == 24


def test_labels_that_do_not_fit_the_logits(form: Path, tmp_path: Path) -> None:
    def fewer(model: Any) -> None:
        model.set_rt_info(json.dumps(["a", "b"]), ["anysize", "labels"])

    path = changed(form, tmp_path / "fewer.xml", fewer)
    with pytest.raises(BundleError, match="gives 3 logits, and its metadata name 2 labels"):
        anysize.load(path)


def test_another_resize_filter_is_refused(form: Path, tmp_path: Path) -> None:
    texts = openvino.Core().read_model(str(form)).get_rt_info(["anysize", "resize"]).value
    assert json.loads(texts) == {"shrink": "area", "enlarge": "bilinear"}

    def lanczos(model: Any) -> None:
        model.set_rt_info(json.dumps({"shrink": "lanczos"}), ["anysize", "resize"])

    path = changed(form, tmp_path / "other.xml", lanczos)
    with pytest.raises(BundleError, match="lanczos"):
        anysize.load(path)


def test_forms_that_cannot_be_read(form: Path, tmp_path: Path) -> None:
    path = tmp_path / "cnn.xml"
    shutil.copy(form, path)
    with pytest.raises(BundleError, match=r"its weights, cnn\.bin, are not beside it"):
        anysize.load(path)
    shutil.copy(form.with_suffix(".bin"), path.with_suffix(".bin"))
    anysize.load(path)
    with pytest.raises(ConfigurationError, match="task must be 'image-classification'"):
        anysize.load(path, "text-classification")
    path.with_suffix(".bin").write_bytes(b"short")
    with pytest.raises(BundleError, match="OpenVINO cannot"):
        anysize.load(path).predict_one(photographs()[0])
    path.write_text("<annotation><filename>a.jpg</filename></annotation>", encoding="utf-8")
    with pytest.raises(BundleError, match="OpenVINO cannot read it"):
        anysize.load(path)
    path.unlink()
    with pytest.raises(BundleError, match="does not exist"):
        anysize.load(path)


def test_a_form_from_elsewhere_says_what_to_give(tmp_path: Path) -> None:
    ops = openvino.opset13
    data = ops.parameter([1, 3, 8, 8], np.float32)
    axes = np.array([2, 3])
    model = openvino.Model([ops.reduce_mean(data, axes)], [data], "means")
    openvino.save_model(model, tmp_path / "means.xml")
    with pytest.raises(BundleError, match="export BUNDLE --format openvino"):
        anysize.load(tmp_path / "means.xml")


def test_which_paths_are_graphs(form: Path, tmp_path: Path) -> None:
    assert graph_file(form) == form and graph_file(form.parent) == form
    (tmp_path / "boxes.xml").write_text("<annotation/>", encoding="utf-8")
    assert graph_file(tmp_path) is None and not is_graph(tmp_path / "boxes.xml")
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BundleError, match=r"several graph files.*a\.onnx, b\.onnx"):
        graph_file(tmp_path)


def test_what_wants_the_bundle(form: Path, tmp_path: Path) -> None:
    model = anysize.load(form)
    with pytest.raises(ConfigurationError, match="this one is for image-classification"):
        model.enroll(tmp_path / "gallery", [tmp_path])
    with pytest.raises(ConfigurationError, match="this one is for image-classification"):
        model.verify(*photographs(2))
    request = BuildRequest(task="image-classification", labels=LABELS)
    with pytest.raises(BundleError, match="bundle that it was exported from"):
        spec.build(str(form), request)
    with pytest.raises(ConfigurationError, match="a compiled form of openvino"):
        model.export(tmp_path / "out", "huggingface")


@pytest.mark.parametrize("finder", [False, True])
def test_faces_through_a_graph(tmp_path: Path, finder: bool) -> None:
    torch.manual_seed(0)
    labels = ("ann", "bob")
    request = BuildRequest(
        task="face-recognition",
        labels=labels,
        wishes=ImageOptions(image_size=(32, 32)),
        options={"finder": "none"},
    )
    network = spec.build("face-gradients", request)
    network.module.eval()
    if finder:
        network.module.finder = nn.Linear(1, 1)
    card = Card(task=request.task, labels=labels, model=network.spec, settings=network.settings)
    path = anysize.Model(network, card).export(tmp_path / "out", "openvino")
    if finder:  # it would embed whole pictures in silence
        with pytest.raises(BundleError, match="does not hold what finds them"):
            anysize.load(path)
        return
    model = anysize.load(path)
    first, second = photographs(2)
    assert model.verify(first, first).score == pytest.approx(1, abs=1e-5)
    assert model.verify(first, second).score < 1
    with pytest.raises(ConfigurationError, match=r"graph file.*bundle that it was exported from"):
        model.enroll(tmp_path / "gallery", [tmp_path])
    assert not (tmp_path / "gallery").exists()


def test_a_detector_through_a_form(tmp_path: Path) -> None:
    torch.manual_seed(0)
    labels = ("cat", "dog")
    request = BuildRequest(
        task="object-detection", labels=labels, wishes=ImageOptions(image_size=(64, 64))
    )
    network = spec.build("detector-small", request)
    network.module.eval()
    card = Card(task=request.task, labels=labels, model=network.spec, settings=network.settings,
                prediction={"threshold": 0.001})  # fmt: skip
    folder = bundle.save(tmp_path / "bundle", network, card)
    path = anysize.load(folder).export(tmp_path / "out", "openvino")
    assert anysize.load(path).card.prediction == {"threshold": 0.001}
    found, wanted = (
        [
            each
            for result in anysize.load(place).predict(
                photographs(2), anysize.PredictOptions(precision="float32")
            )
            for each in result.prediction
        ]
        for place in (path, folder)
    )
    assert [each["label"] for each in found] == [each["label"] for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one["box"], other["box"], atol=0.2)


@pytest.mark.parametrize("file", ["cnn.onnx", "cnn.xml"])
def test_ordered_labels_are_one_more_than_the_outputs(file: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    steps = ("1", "2", "3")
    head = heads.load("ordered")
    request = BuildRequest(
        task="image-classification", labels=head.outputs(steps), head=head.name,
        wishes=ImageOptions(image_size=(24, 16)),
    )  # fmt: skip
    network = spec.build("cnn", request)
    card = Card(
        task=request.task, labels=steps, model="cnn", settings=network.settings,
        head=heads.described(head),
    )  # fmt: skip
    saved = bundle.save(tmp_path / "bundle", network, card)
    written = anysize.load(saved).export(
        tmp_path / file, "onnx" if file.endswith("onnx") else "openvino"
    )
    options = anysize.PredictOptions(precision="float32")
    wanted, found = (
        list(anysize.load(each).predict(photographs(), options)) for each in (saved, written)
    )
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, anysize.Result) and isinstance(other, anysize.Result)
        assert one.prediction == other.prediction
        assert one.details["probabilities"] == pytest.approx(
            other.details["probabilities"], abs=1e-5
        )
