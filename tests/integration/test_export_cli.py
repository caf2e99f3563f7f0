"""``anysize export``, and a bare ONNX file in the place of a bundle."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch

from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
image = pytest.importorskip("PIL.Image")


Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle, and data: a folder for each of two classes."""
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification",
        labels=("dark", "light"),
        wishes=ImageOptions(image_size=(16, 16)),
    )
    network = spec.build("mlp", request)
    card = Card(task="image-classification", labels=request.labels, model="mlp",
                settings=network.settings)  # fmt: skip
    bundle.save(tmp_path / "bundle", network, card)
    random = np.random.default_rng(0)
    for label, low in (("dark", 0), ("light", 128)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(low, low + 128, (20, 20, 3)).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path


def test_export_predict_evaluate(run: Run, folder: Path) -> None:
    done = run("export", str(folder / "bundle"), "--format", "onnx", "--out", str(folder / "out"),
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    path = Path(report["path"])
    assert path == folder / "out" / "model.onnx"
    assert report["opset"] == "18"
    assert float(report["max_difference"]) < 1e-4
    predicted = run("predict", str(path), str(folder / "data" / "dark" / "0.png"))
    assert predicted.returncode == 0, predicted.stderr
    assert json.loads(predicted.stdout)["prediction"] in ("dark", "light")
    measured = [
        json.loads(run("evaluate", str(model), str(folder / "data"), "--json").stdout)
        for model in (path, folder / "bundle")
    ]
    assert measured[0]["accuracy"] == measured[1]["accuracy"]


def test_faults_are_told_and_nothing_is_written(run: Run, folder: Path) -> None:
    out = folder / "out"
    wrong = run("export", str(folder / "bundle"), "--format", "onx", "--out", str(out))
    assert wrong.returncode == 2
    assert "did you mean 'onnx'" in wrong.stderr
    wrong = run("export", str(folder / "bundle"), "--opset", "3", "--out", str(out), "--json")
    assert wrong.returncode == 2
    assert "opset must be from 18" in json.loads(wrong.stdout)["error"]
    assert not out.exists()
    missing = run("predict", str(folder / "missing.onnx"), str(folder / "data"))
    assert missing.returncode == 2
    assert missing.stderr.strip() == f"anysize: {folder / 'missing.onnx'}: does not exist"
