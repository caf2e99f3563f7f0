"""Compression from a trained bundle to a proved one; trained on scikit-learn's digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.integration.measured_here import measure_here, paced
from torch import nn

import anysize
from anysize import api, tasks
from anysize.cli import main as cli
from anysize.compression import judge as judging
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.models import bundle
from anysize.sources import open_splits

pytest.importorskip("nncf")
pytest.importorskip("openvino")


# Measured in this process, which has run other tests.
MEMORY = "12GiB"


@pytest.fixture(scope="module")
def digits(shelf: Callable[..., Path]) -> Path:
    return shelf("digits", write_digits)


def write_digits(folder: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    pictures, targets = load_digits(return_X_y=True)
    for number, (values, target) in enumerate(zip(pictures[:700], targets, strict=False)):
        if target > 4:
            continue
        place = folder / ("test" if number % 3 == 0 else "train") / str(target)
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(values.reshape(8, 8) * 15.9, np.ones((2, 2))).astype(np.uint8)
        Image.fromarray(np.stack([pixels] * 3, axis=-1)).save(place / f"{number}.png")


@pytest.fixture(scope="module")
def trained(digits: Path, shelf: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        model = anysize.train(
            "image-classification", digits, model="cnn", out=folder / "cnn", epochs=8, batch=16,
            memory=MEMORY, options={"hidden_sizes": "16x64x64"}, augment="none", tensorboard=False,
        )  # fmt: skip
        assert model.evaluate(digits, split="test").main()["accuracy"] > 0.9

    return shelf("digits cnn", make, own=True) / "cnn"


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small a network is no faster in int8; what is judged here is everything else."""
    paced(monkeypatch, 2.0)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    measure_here(monkeypatch)


def test_int8_is_measured_and_shipped(
    trained: Path, digits: Path, tmp_path: Path, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_TESTS_COLD", "1")  # measuring processes that start from nothing
    out = tmp_path / "small"
    small = anysize.load(trained).compress(
        out, data=digits, methods=["int8"], max_drop=0.03, memory=MEMORY
    )
    entries = json.loads((out / "compression.json").read_text())
    assert entries["shipped"] == "int8"
    (candidate,) = entries["candidates"]
    assert candidate["figures"]["size"] < 0.6 * entries["original"]["size"]
    assert candidate["figures"]["records"] == candidate["paired"]["both_correct"] + sum(
        candidate["paired"][name]
        for name in ("only_first_correct", "only_second_correct", "neither_correct")
    )
    assert candidate["agreement"] > 0.9
    assert "<svg" in (out / "compression.html").read_text()
    # It predicts and is evaluated like any other bundle, and says what it is.
    assert not list(out.glob("*.safetensors"))
    assert small.card.compression["method"] == "int8"
    measured = small.evaluate(digits, split="test").main()["accuracy"]
    assert measured == pytest.approx(candidate["figures"]["metric"])
    picture = next((digits / "test" / "3").iterdir())
    (result,) = small.predict(picture)
    assert isinstance(result, anysize.Result)
    assert result.receipt.covered == 1.0


def test_what_cannot_be_done_with_a_compiled_form_is_said(
    trained: Path, digits: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    task = tasks.load("image-classification")
    training = open_splits(digits, roles=task.columns).train
    context = Context(task=task, original=trained, memory=4 << 30, training=training)
    (step,) = parse("int8(windows=20)")
    step.method.apply(trained, out, step.options, context)
    with pytest.raises(anysize.ConfigurationError, match="compiled"):
        api.compress_report(out, tmp_path / "again", data=digits, methods=["int8"])
    small = anysize.load(out)
    with pytest.raises(anysize.ConfigurationError, match="runtime must be 'openvino'"):
        list(small.predict(digits, anysize.PredictOptions(runtime="torch")))
    (out / "runtimes" / "openvino-int8" / "model.xml").unlink()
    with pytest.raises(anysize.BundleError, match="missing"):
        anysize.load(out)


def plant_outliers(folder: Path, out: Path) -> None:
    """Scales one channel between two convolutions up, and down again behind: the same function.

    In floating point nothing changes; one range for all channels leaves the others no levels.
    """
    model = anysize.load(folder)
    network, card = model.network, model.card
    norms = [layer for layer in network.module.modules() if isinstance(layer, nn.BatchNorm2d)]
    convolutions = [layer for layer in network.module.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        norms[0].weight[:2] *= 3000.0
        norms[0].bias[:2] *= 3000.0
        convolutions[1].weight[:, :2] /= 3000.0
    bundle.save(out, network, card)


def test_what_int8_breaks_is_mended_with_some_layers_in_higher_precision(
    trained: Path, digits: Path, tmp_path: Path, fast: None, here: None
) -> None:
    broken = tmp_path / "outliers"
    plant_outliers(trained, broken)
    whole = anysize.load(broken).evaluate(digits, split="test").main()["accuracy"]
    assert whole > 0.9
    found = api.compress_report(
        broken, tmp_path / "small", data=digits, methods=["int8"], max_drop=0.03, memory=MEMORY
    )
    plain, *milder = found.candidates
    assert plain.chain == "int8"
    assert not plain.passes
    assert plain.drop is not None
    assert plain.drop > 0.03
    assert found.chosen is milder[-1]
    assert found.chosen.chain.startswith("int8(keep=")
    # What suffers is the convolution that reads the planted channels, and with some weights the
    # one before it, too: then two layers are kept.
    assert len(found.sensitivity) >= 3
    assert found.sensitivity[0]["error"] > 5 * found.sensitivity[len(milder)]["error"]


def test_what_int8_breaks_is_mended_by_training_in_eight_bits(
    trained: Path, digits: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "outliers"
    plant_outliers(trained, broken)
    task = tasks.load("image-classification")
    context = Context(
        task=task,
        original=broken,
        memory=4 << 30,
        data=str(digits),
        training=open_splits(digits, roles=task.columns).train,
    )
    accuracy = []
    for method in ("int8(windows=100)", "qat(epochs=2)"):
        (step,) = parse(method)
        out = tmp_path / step.method.key
        step.method.apply(broken, out, step.options, context)
        accuracy.append(anysize.load(out).evaluate(digits, split="test").main()["accuracy"])
    assert accuracy[0] < 0.5
    # The kernels of processors without AMX round the planted channels otherwise than training does.
    assert accuracy[1] > (
        0.8 if torch.cpu.get_capabilities().get("amx_int8") else accuracy[0] + 0.2
    )


def test_where_nothing_passes_the_table_says_why_and_the_exit_code_is_one(
    trained: Path,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    here: None,
) -> None:
    paced(monkeypatch, 0.5)
    out = tmp_path / "small"
    arguments = ["anysize", "compress", str(trained), "--out", str(out), "--method", "int8"]
    arguments += ["--data", str(digits), "--max-drop", "0.5", "--records", "40", "--json"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["shipped"] is None
    (candidate,) = document["candidates"]
    assert "slower: 0.50 (0.50 … 0.50) times" in candidate["reasons"][0]
    assert candidate["figures"]["records"] == 40
    assert "nothing is shipped" in printed.err
    assert sorted(path.name for path in out.iterdir()) == ["compression.html", "compression.json"]
    # A second try may go to the same place, but for what is no report of the first.
    again = {"model": str(trained), "out": out, "memory": 1 << 30, "methods": ("int8",)}
    judging.CompressionOrder(**again, data=str(digits))
    (out / "mine.txt").touch()
    with pytest.raises(anysize.ConfigurationError, match="holds something already"):
        judging.CompressionOrder(**again, data=str(digits))


def test_faults_are_told_before_anything_is_measured(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(anysize.ConfigurationError) as caught:
        api.compress_report(trained, tmp_path / "a", methods=["int8", "int8"], max_drop=-1)
    assert "max_drop must not be negative" in str(caught.value)
    assert "give --data" in str(caught.value)
    with pytest.raises(anysize.ConfigurationError, match="needs data"):
        api.compress_report(trained, tmp_path / "a", methods=["int8"])
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    with pytest.raises(anysize.ConfigurationError, match="holds something already"):
        api.compress_report(trained, taken, methods=["int8"], data="x")
    assert (taken / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "a").exists()
