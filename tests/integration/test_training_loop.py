"""The loop in this process: it learns, keeps the best, ends when told, and says what it did."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.training import Recipe, Stopped, run
from anysize.training.preparation import prepare
from anysize.training.stopping import StopRequest


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for number in range(120):
        label = ("dark", "light")[number % 2]
        pixels = generator.integers(0, 160, size=(8, 8, 3)) + (60 if label == "light" else 0)
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number:03d}.png")
    return {
        "task": "image-classification",
        "data": str(folder),
        "model": "mlp",
        "batch": 16,
        "micro_cost": 64 * 16,
        "validation": 0.25,
        "test": 0.0,
        "tensorboard": False,
        "log_every": 1,
    }


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Documents whose label is told by one word somewhere in the middle."""
    path = tmp_path_factory.mktemp("texts") / "data.jsonl"
    generator = random.Random(1)
    words = [f"w{number}" for number in range(30)]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(60):
            label = generator.choice(("no", "yes"))
            text = generator.choices(words, k=generator.choice((5, 40, 120)))
            text[len(text) // 2] = "awful" if label == "no" else "great"
            file.write(json.dumps({"text": " ".join(text), "label": label}) + "\n")
    return {
        "task": "text-classification",
        "data": str(path),
        "model": "attention",
        "window": 16,
        "batch": 8,
        "micro_cost": 48,
        "validation": 0.2,
        "test": 0.0,
        "tensorboard": False,
        "log_every": 1,
    }


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]


def test_it_learns_and_leaves_the_best_weights(pictures: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    report = run(Recipe(**pictures, epochs=6.0, out=str(out), ema=0.8), quiet=True)
    assert report.best is not None and report.best > 0.9
    assert (report.ended, report.failed) == ("epochs", 0)
    assert report.peak_memory > 100 << 20

    entries = log(out)
    steps = [entry for entry in entries if "loss" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, report.steps + 1))
    assert steps[-1]["records"] == report.records == steps[-1]["epoch"] * report.records / 6
    validations = [entry for entry in entries if "validation_accuracy" in entry]
    assert len(validations) == 6
    assert report.best == max(entry["validation_accuracy"] for entry in validations)

    from safetensors.torch import load_file

    saved = load_file(out / "model.safetensors")
    (best,) = (out / "checkpoints" / "best").glob("weights-*.safetensors")
    kept = load_file(best)
    assert all(torch.equal(value, kept[f"model.{name}"]) for name, value in saved.items())

    card = json.loads((out / "anysize.json").read_text())
    assert card["metrics"]["validation_accuracy"] == report.best
    assert card["provenance"]["recipe"]["ema"] == 0.8
    assert sum(card["provenance"]["label_counts"].values()) == report.records / 6


def test_pictures_grow_while_training_and_are_whole_in_validation(
    pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anysize.models.cnn import CNNForImageClassification

    seen: list[tuple[bool, int]] = []
    forward = CNNForImageClassification.forward

    def noted(self: Any, pixel_values: Any, *rest: Any, **more: Any) -> Any:
        seen.append((self.training, pixel_values.shape[-1]))
        return forward(self, pixel_values, *rest, **more)

    monkeypatch.setattr(CNNForImageClassification, "forward", noted)
    recipe = Recipe(
        **pictures | {"model": "cnn", "image_size": (16, 16), "progressive": 0.5, "epochs": 3.0},
        out=str(tmp_path / "run"),
    )
    run(recipe, quiet=True)
    training = [side for learning, side in seen if learning]
    assert training == sorted(training)
    assert set(training) == {8, 12, 16}
    assert {side for learning, side in seen if not learning} == {16}


@pytest.mark.parametrize("merge", ["mean", "attention"])
def test_long_documents_are_trained_whole(
    texts: dict[str, Any], merge: str, tmp_path: Path
) -> None:
    """Of 120 words, far over the micro-batch and over what is held: two passes, read twice."""
    report = run(
        Recipe(**texts, merge=merge, epochs=8.0, learning_rate=1e-2, out=str(tmp_path / "run")),
        quiet=True,
    )
    assert report.best is not None and report.best >= 0.8
    assert (tmp_path / "run" / "pool.safetensors").is_file() == (merge == "attention")


def test_one_micro_batch_or_many_learn_the_same(texts: dict[str, Any], tmp_path: Path) -> None:
    """Without dropout the size of a micro-batch changes rounding only."""
    from safetensors.numpy import load_file

    found = []
    for cost in (16, 48, 100_000):
        out = tmp_path / str(cost)
        recipe = Recipe(
            **{**texts, "micro_cost": cost}, steps=3, optimizer="sgd", learning_rate=0.1,
            precision="float32", options={"dropout": "0"}, out=str(out),
        )  # fmt: skip
        run(recipe, quiet=True)
        found.append(load_file(out / "model.safetensors"))
    # The weights that the run began with are not kept.
    assert not (tmp_path / "16" / "initial").exists()
    module = prepare(recipe, started=0.0).network.module
    started = {name: value.numpy() for name, value in module.state_dict().items()}
    for name, value in found[2].items():
        for other in found[:2]:
            np.testing.assert_allclose(other[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    assert max(float(np.abs(found[2][name] - started[name]).max()) for name in started) > 1e-3


def test_patience_ends_a_run_that_no_longer_improves(
    pictures: dict[str, Any], tmp_path: Path
) -> None:
    report = run(
        Recipe(**pictures, epochs=50.0, learning_rate=1e-12, patience=2, out=str(tmp_path / "r")),
        quiet=True,
    )
    assert report.ended == "patience"
    assert report.epochs < 10


def test_minutes_hold_the_whole_run(
    pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that only the network's work moves: a picture takes 20 ms."""
    from anysize.models.mlp import MLPForImageClassification

    now = 1000.0
    forward = MLPForImageClassification.forward

    def timed(self: Any, pixel_values: Any, *rest: Any, **more: Any) -> Any:
        nonlocal now
        now += 0.02 * len(pixel_values)
        return forward(self, pixel_values, *rest, **more)

    monkeypatch.setattr(MLPForImageClassification, "forward", timed)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    recipe = Recipe(**pictures, minutes=0.1, validate_every=10**6, out=str(tmp_path / "run"))
    report = run(recipe, quiet=True)
    assert report.ended == "minutes"
    # The last validation, of some 30 pictures, is inside the limit; a step that is under way, of
    # 16 pictures, is finished.
    assert 6.0 - 1.5 <= report.seconds <= 6.0 + 0.32
    assert report.steps > 10
    assert [entry for entry in log(tmp_path / "run") if "validation_accuracy" in entry]
    rates = [entry["learning_rate"] for entry in log(tmp_path / "run") if "loss" in entry]
    assert rates[-1] < 0.2 * max(rates)


def test_a_stop_is_resumed_where_it_was(
    pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(**pictures, steps=9, out=str(tmp_path / "run"))
    original = StopRequest.__init__

    def asked_already(request: StopRequest) -> None:
        original(request)
        request.signal = 15

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__init__", asked_already)
        with pytest.raises(Stopped, match="stopped by SIGTERM after step 1;") as caught:
            run(recipe, quiet=True)
    assert caught.value.exit_code == 143
    assert not (tmp_path / "run" / "anysize.json").exists()
    report = run(recipe, resume=True, quiet=True)
    assert report.steps == 9
    steps = [entry["step"] for entry in log(tmp_path / "run") if "loss" in entry]
    assert steps == list(range(1, 10))


def test_balanced_sampling_is_resumed_to_the_same_weights(
    pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    balanced = {**pictures, "steps": 14, "sampling": "balanced"}
    whole = Recipe(**balanced, out=str(tmp_path / "whole"))
    stopped = Recipe(**balanced, out=str(tmp_path / "stopped"))
    natural = Recipe(**pictures, steps=14, out=str(tmp_path / "natural"))
    run(whole, quiet=True)
    run(natural, quiet=True)
    original = StopRequest.__init__

    def asked_already(request: StopRequest) -> None:
        original(request)
        request.signal = 15

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__init__", asked_already)
        with pytest.raises(Stopped):
            run(stopped, quiet=True)
    run(stopped, resume=True, quiet=True)
    weights = {
        name: (tmp_path / name / "model.safetensors").read_bytes()
        for name in ("whole", "stopped", "natural")
    }
    assert weights["stopped"] == weights["whole"] != weights["natural"]


def test_tensorboard_gets_scalars(pictures: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(Recipe(**{**pictures, "tensorboard": True}, steps=2, out=str(tmp_path)), quiet=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert {"loss", "learning_rate", "validation_accuracy"} <= set(board.Tags()["scalars"])
    assert [event.step for event in board.Scalars("loss")] == [1, 2]


def test_a_set_without_a_readable_record_is_refused(tmp_path: Path) -> None:
    from anysize.core.errors import DataError

    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / label / f"{number}.png").write_bytes(b"not a picture")
    with pytest.raises(DataError):
        run(
            Recipe(
                task="image-classification", data=str(tmp_path / "data"), model="mlp",
                out=str(tmp_path / "run"), image_size=(8, 8), micro_cost=64, validation=0.0,
                test=0.0, tensorboard=False,
            ),
            quiet=True,
        )  # fmt: skip


def test_the_plan_of_a_run_writes_nothing(pictures: dict[str, Any], tmp_path: Path) -> None:
    from anysize.training import make_plan

    recipe = Recipe(**{**pictures, "micro_cost": 0}, memory=4 << 30, out=str(tmp_path / "run"))
    plan = make_plan(recipe)
    assert plan.micro_cost >= 64 and plan.why
    assert not (tmp_path / "run").exists()


def test_the_plan_of_several_workers_counts_their_launcher(
    pictures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anysize.core.memory import resident
    from anysize.scale import local
    from anysize.training import make_plan

    assert local.beside(1) == 0
    assert local.beside(2) == pytest.approx(resident(), rel=0.05)
    monkeypatch.setattr(local, "beside", lambda workers: workers << 29)
    asked = {**pictures, "micro_cost": 0, "memory": 16 << 30, "out": str(tmp_path / "run")}
    assert make_plan(Recipe(**asked, workers=2)).memory == (16 - 1) * (1 << 30) // 2


def test_validation_that_cannot_be_scored_names_a_reason(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text,label\n" + "".join(f"word {row},label {row}\n" for row in range(30)))
    recipe = Recipe(
        task="text-classification", data=str(data), model="lstm", out=str(tmp_path / "run"),
        steps=1, batch=4, micro_cost=64, tensorboard=False,
    )  # fmt: skip
    with pytest.raises(DataError) as caught:
        run(recipe, quiet=True)
    assert "no record of the validation part has a label" in str(caught.value)


def test_weights_that_overflow_are_called_diverged(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(24):
        folder = tmp_path / "data" / str(number % 4)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 9,) * 3).save(folder / f"{number}.png")
    recipe = Recipe(
        task="image-regression", data=str(tmp_path / "data"), model="mlp", steps=40, batch=8,
        optimizer="sgd", learning_rate=1000.0, warmup=0.0, schedule="constant", clip=0.0,
        micro_cost=64 * 8, tensorboard=False, out=str(tmp_path / "run"), validate_every=1,
    )  # fmt: skip
    with pytest.raises(RunError, match=r"gives no finite numbers .* lower --learning-rate"):
        run(recipe, quiet=True)


def test_a_finished_run_is_not_replaced_without_a_word(
    pictures: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipe(**{**pictures, "steps": 1, "out": str(tmp_path / "run")})
    run(recipe, quiet=True)
    assert caplog.messages == []
    run(recipe, quiet=True)
    (message,) = caplog.messages
    assert message == f"{tmp_path / 'run'} holds a finished run, which this run replaces"


def test_resume_without_a_run_and_with_the_state_of_another(
    texts: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = Recipe(**texts, steps=2, out=str(out))
    with pytest.raises(ConfigurationError, match="finds nothing to go on with"):
        run(recipe, resume=True, quiet=True)
    assert not out.exists()
    run(recipe, quiet=True)
    best, last = (
        out / "checkpoints" / name / "weights-000000002.safetensors" for name in ("best", "last")
    )
    if best.exists():
        assert best.samefile(last)
    state = out / "checkpoints" / "last" / "state.json"
    entries = json.loads(state.read_text())
    state.write_text(json.dumps({**entries, "run": "another"}))
    with pytest.raises(ConfigurationError, match="belongs to another run"):
        run(recipe, resume=True, quiet=True)
    state.write_text(json.dumps(entries))
    more = run(dataclasses.replace(recipe, steps=3), resume=True, quiet=True)
    assert more.steps == 3
    assert not (out / "initial").exists()
