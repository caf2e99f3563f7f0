"""Numbers, several labels and ordered labels from data to a judged, compressed, exported model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.measured_here import measure_here, paced

import anysize
from anysize import api
from anysize.evaluation.paired_numbers import PairedDrop
from anysize.planning import apart

MEMORY = "12GiB"  # measured in this process, which has run other tests
PLAINLY = anysize.PredictOptions(runtime="torch", precision="float32", memory=MEMORY)
ENCODER = {
    "model": "transformer", "window": 16, "epochs": 12, "batch": 16, "learning_rate": 5e-3,
    "options": {"hidden_size": "32", "num_layers": "2", "num_heads": "2",
                "intermediate_size": "64"},
}  # fmt: skip


def texts(folder: Path) -> Path:
    """A word is said from none to four times."""
    draw = np.random.default_rng(1)
    rows = []
    for _ in range(120):
        times = int(draw.integers(5))
        words = draw.choice(["the", "was", "a", "and", "story"], 8).tolist()
        for place in draw.choice(7, times, replace=False):
            words[place] = "lovely"
        rows.append(json.dumps({"text": " ".join(words), "target": 100 + 10 * times}))
    path = folder / "data.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


def pictures(folder: Path) -> Path:
    from PIL import Image

    draw = np.random.default_rng(2)
    rows = ["file_name,target"]
    for number in range(100):
        level = int(draw.integers(20, 230))
        pixels = np.clip(draw.normal(level, 10, (12, 12, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{2 * level}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def reviews(folder: Path) -> Path:
    """What a review praises, which is nothing, one thing or both."""
    draw = np.random.default_rng(3)
    rows = []
    for _ in range(160):
        praised = draw.random(2) < 0.5
        words = [
            f"{name} was {('dull', 'lovely')[int(good)]}"
            for name, good in zip(("music", "acting"), praised, strict=True)
        ]
        labels = [name for name, good in zip(("music", "acting"), praised, strict=True) if good]
        rows.append(json.dumps({"text": " and ".join(words), "labels": labels}))
    path = folder / "data.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


def waves(folder: Path, targets: Sequence[Mapping[str, Any]]) -> Path:
    """Sequences that swing at one of three speeds, the slowest with the first target."""
    draw = np.random.default_rng(4)
    rows = []
    for _ in range(120):
        speed = int(draw.integers(3))
        times = np.arange(20) + draw.uniform(0, 9)
        wave = np.sin(times * (0.3, 0.9, 1.8)[speed])
        steps = np.stack([wave, draw.normal(0, 0.1, 20)], axis=1).round(4).tolist()
        rows.append(json.dumps({"series": steps, **targets[speed]}))
    path = folder / "data.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


@dataclass(frozen=True, kw_only=True)
class Case:
    """Targets that can be learned.

    Attributes:
        metric: that the judge compares by.
        least: of it, on the test part.
        methods: of compression.
    """

    task: str
    data: Callable[[Path], Path]
    options: dict[str, Any]
    metric: str
    least: float
    methods: tuple[str, ...]


LABELS = (["slow"], ["slow", "quick"], ["quick"])
CONVOLUTIONS = {
    "model": "conv1d", "epochs": 12, "batch": 16, "learning_rate": 1e-2,
    "options": {"hidden": "16x16"},
}  # fmt: skip
CASES = {
    "text numbers": Case(
        task="text-regression", data=texts, options=ENCODER, metric="r2", least=0.9,
        methods=("int8-dynamic", "distil(layers=1)"),
    ),
    "picture numbers": Case(
        task="image-regression", data=pictures, metric="r2", least=0.95,
        options={"model": "cnn", "options": {"hidden_sizes": "16x32"}, "epochs": 10, "batch": 16,
                 "learning_rate": 3e-3, "augment": "none"},
        methods=("int8-onnx(windows=20)", "distil(student=mlp, epochs=8)"),
    ),
    "several labels of texts": Case(
        task="text-classification", data=reviews, options=ENCODER, metric="macro_f1", least=0.9,
        methods=("int8-dynamic", "distil(layers=1)"),
    ),
    "ordered labels of series": Case(
        task="time-series-classification", metric="quadratic_kappa", least=0.8,
        data=partial(waves, targets=[{"label": number} for number in (1, 2, 3)]),
        options={**CONVOLUTIONS, "head": "ordinal_regression"},
        methods=("int8(windows=20)", "distil(epochs=25)"),
    ),
    "one label of series": Case(
        task="time-series-classification", metric="accuracy", least=0.8, options=CONVOLUTIONS,
        data=partial(waves, targets=[{"label": name} for name in ("slow", "quick", "quickest")]),
        methods=("int8(windows=20)",),
    ),
    "several labels of series": Case(
        task="time-series-classification", metric="macro_f1", least=0.8,
        options=CONVOLUTIONS,
        data=partial(waves, targets=[{"labels": names} for names in LABELS]),
        methods=("int8(windows=20)",),
    ),
    "numbers of series": Case(
        task="time-series-regression", metric="r2", least=0.8, options=CONVOLUTIONS,
        data=partial(waves, targets=[{"target": number} for number in (10.5, 20.5, 30.5)]),
        methods=("int8(windows=20)",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_from_data_to_a_judged_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    case = CASES[name]
    (tmp_path / "data").mkdir()
    data = case.data(tmp_path / "data")
    model = anysize.train(
        case.task, data,
        out=tmp_path / "run", memory=MEMORY, precision="float32", quiet=True, seed=0,
        tensorboard=False, **case.options,
    )  # fmt: skip
    measured = model.evaluate(data, options=PLAINLY, split="test").main()
    assert measured[case.metric] > case.least
    # The exported graph answers alike: numbers in the targets' own unit, labels with their scores.
    written = model.export(tmp_path / "model.onnx")
    ours = list(model.predict(data, PLAINLY))
    theirs = list(anysize.load(written).predict(data, precision="float32", memory=MEMORY))
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, anysize.Result) and isinstance(other, anysize.Result)
        if isinstance(one.prediction, float):
            assert other.prediction == pytest.approx(one.prediction, rel=1e-3)
        else:
            assert other.prediction == one.prediction
            shares = one.details["probabilities"]
            assert other.details["probabilities"] == pytest.approx(shares, abs=1e-4)

    measure_here(monkeypatch)
    # Runtimes are not compared: the first one is taken.
    monkeypatch.setattr(apart, "measure", lambda *_, **__: None)
    paced(monkeypatch, 2.0)
    table = api.compress_report(
        tmp_path / "run", tmp_path / "small", data=data, methods=case.methods, max_drop=0.9,
        memory=MEMORY,
    )  # fmt: skip
    assert table.metric == case.metric
    assert len(table.candidates) == len(case.methods)
    for candidate in table.candidates:
        assert candidate.figures is not None, candidate.reasons
        assert candidate.drop is not None and candidate.drop < 0.9, candidate.chain
        paired = candidate.paired
        assert paired is not None
        assert paired.interval.low <= paired.difference <= paired.interval.high
        if isinstance(paired, PairedDrop):  # else of the share of right answers
            assert paired.difference == pytest.approx(candidate.drop, abs=1e-6)
