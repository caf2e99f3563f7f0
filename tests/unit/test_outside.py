"""A compiled form of a face embedder keeps the face finder, which is no part of the graph."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anysize
from anysize import tasks
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.core.errors import BundleError
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle
from anysize.models import embedder as embedder_module
from anysize.models.bundle import Card, files_of
from anysize.models.mtcnn import MtcnnConfig, MtcnnModel
from anysize.models.network import BuildRequest
from anysize.models.spec import build
from anysize.sources import open_splits

pytest.importorskip("nncf")
pytest.importorskip("openvino")
pillow = pytest.importorskip("PIL.Image")


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle whose finder, untrained, finds something in every picture."""
    torch.manual_seed(0)
    finder = MtcnnModel(MtcnnConfig(thresholds=(0.01, 0.01, 0.01)))
    monkeypatch.setattr(embedder_module, "pretrained", lambda: finder)
    request = BuildRequest(
        task="face-recognition", labels=("Ann", "Bob"), options={"width": "16"},
        wishes=ImageOptions(image_size=(32, 32)),
    )  # fmt: skip
    network = build("face-gradients", request)
    card = Card(
        task=request.task, labels=request.labels, model=network.spec, settings=network.settings
    )
    return bundle.save(tmp_path / "whole", network, card)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("Ann", "Bob"):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
                path = tmp_path / "data" / part / name / f"{number}.png"
                pillow.fromarray(pixels).save(path)
    return tmp_path / "data"


def boxes(folder: Path, picture: Path) -> list[Any]:
    options = anysize.PredictOptions(memory="4GiB")
    (result,) = anysize.load(folder).predict([picture], options)
    assert isinstance(result, anysize.Result)
    return [face["box"] for face in result.details["found"]]


def test_a_compiled_form_finds_the_faces_that_its_original_finds(
    embedder: Path, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = tasks.load("face-recognition")
    training = open_splits(people, roles=task.columns).train
    context = Context(task=task, original=embedder, memory=4 << 30, training=training)
    (step,) = parse("int8(windows=8)")
    small = tmp_path / "small"
    step.method.apply(embedder, small, step.options, context)
    kept = small / "finder.safetensors"
    assert kept in files_of(small)
    picture = people / "test" / "Ann" / "0.png"
    found = boxes(embedder, picture)
    assert found
    assert found != [[0, 0, 80, 60]]
    assert boxes(small, picture) == found

    # A form that was made before the finder was kept opens, and says so; a damaged one does not.
    content = kept.read_bytes()
    kept.unlink()
    caplog.set_level(logging.WARNING, "anysize")
    assert len(boxes(small, picture)) == 1
    assert any("its finder is missing" in message for message in caplog.messages)
    kept.write_bytes(content[:100])
    with pytest.raises(BundleError, match="holds no finder"):
        anysize.load(small)
