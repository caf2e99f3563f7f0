"""A kept form is used as long as it is that of the weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import anysize
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.models import bundle
from anysize.models.network import BuildRequest
from anysize.models.spec import build

LABELS = ("a", "b", "c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    task = "tabular-classification"
    network = build("dense", BuildRequest(task=task, labels=LABELS, facts=FeatureFacts(shape=(4,))))
    card = bundle.Card(task=task, labels=LABELS, model="dense", settings=network.settings)
    np.save(tmp_path / "x.npy", np.array([3.0, -2.0, 1.0, 4.0]))
    return bundle.save(tmp_path / "b", network, card)


def answer(folder: Path, runtime: str) -> list[float]:
    options = anysize.PredictOptions(runtime=runtime, precision="float32")
    (result,) = anysize.load(folder).predict(folder.parent / "x.npy", options)
    return list(result.details["probabilities"].values())


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_changed_weights_are_noticed(runtime: str, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxscript"}[runtime])
    first = answer(folder, runtime)
    form = next((folder / "runtimes" / runtime).glob("model.*"))
    written = form.stat().st_mtime_ns
    assert answer(folder, runtime) == first
    assert form.stat().st_mtime_ns == written
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert answer(copy, runtime) == first
    kept = copy / "runtimes" / runtime / form.name
    assert kept.read_bytes() == form.read_bytes()
    # The same size and, as far as that can be, the same time.
    weights = folder / "model.safetensors"
    before = weights.stat()
    zeros = {name: torch.zeros_like(each) for name, each in load_file(weights).items()}
    save_file(zeros, weights, {"format": "pt"})
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_allclose(answer(folder, runtime), 1 / 3, atol=1e-5)
    assert max(abs(one - 1 / 3) for one in first) > 0.01
