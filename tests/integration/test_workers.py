"""Several workers on one machine: the same result, errors that arrive, no process left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from tests.encoders import save_texts, save_tiny_encoder

RECORDS = 25


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Pictures for a perceptron; 25 records in steps of 8 leave one record for the last step."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for number in range(RECORDS):
        label = ("dark", "light")[number % 2]
        pixels = generator.integers(0, 160, size=(8, 8, 3)) + (80 if label == "light" else 0)
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number:02d}.png")
    return {
        "task": "image-classification",
        "data": str(folder),
        "model": "mlp",
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "clip": 0.5,
        "batch": 8,
        "micro_cost": 64 * 3,
        "precision": "float32",
        "validation": 0.0,
        "test": 0.0,
        "tensorboard": False,
    }


Train: TypeAlias = Callable[..., Any]


def wait_until(condition: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def steps(out: Path) -> int:
    try:
        return len((out / "training.jsonl").read_text().splitlines())
    except OSError:
        return 0


def children(parent: int) -> list[int]:
    return [pid for pid, above in processes() if above == parent]


def processes() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, blanks included.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            yield int(path.parent.name), int(fields[1])


def weights(folder: Path, name: str = "model.safetensors") -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / name)


def test_two_workers_learn_what_one_learns(
    train: Train, recipe: dict[str, Any], tmp_path: Path
) -> None:
    """Gradients are divided by the global count, also where a worker has no record."""
    from anysize.training import Recipe, run
    from anysize.training.preparation import prepare

    for workers in (1, 2):
        changed = {**recipe, "workers": workers, "epochs": 2.0, "out": str(tmp_path / f"{workers}")}
        done = train(changed).wait()
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    begun = prepare(
        Recipe(**recipe, out=str(tmp_path / "begun")), started=0.0
    ).network.module.state_dict()
    started = {name: value.numpy() for name, value in begun.items()}
    assert one.keys() == two.keys()
    for name in one:
        # Augmentation is drawn per record, so only the order of sums differs.
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)
    moved = max(float(np.abs(one[name] - started[name]).max()) for name in one)
    assert moved > 1e-2

    # A teacher, here what the first run has left, is beside every worker.
    taught = {**recipe, "teacher": str(tmp_path / "1"), "seed": 5, "epochs": 1.0}
    for workers in (1, 2):
        changed = {**taught, "workers": workers, "out": str(tmp_path / f"taught {workers}")}
        run(Recipe(**changed), quiet=True)
    one, two = weights(tmp_path / "taught 1"), weights(tmp_path / "taught 2")
    run(
        Recipe(**{**changed, "workers": 1, "teacher": None, "out": str(tmp_path / "alone")}),
        quiet=True,
    )
    alone = weights(tmp_path / "alone")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert max(float(np.abs(one[name] - alone[name]).max()) for name in one) > 1e-3


def test_two_workers_learn_the_additions_that_one_learns(train: Train, tmp_path: Path) -> None:
    """Low-rank additions and the head; what is frozen is the same everywhere."""
    save_tiny_encoder(tmp_path / "model", dropout=0.0)
    save_texts(tmp_path / "data.csv", RECORDS)
    recipe = {
        "task": "text-classification", "data": str(tmp_path / "data.csv"),
        "model": str(tmp_path / "model"), "lora": True, "lora_rank": 2,
        "lora_targets": ["all-linear"], "optimizer": "sgd", "learning_rate": 0.5, "clip": 0.5,
        "epochs": 2.0, "batch": 8, "micro_cost": 64, "precision": "float32", "validation": 0.0,
        "test": 0.0, "tensorboard": False,
    }  # fmt: skip
    for workers in (1, 2):
        done = train({**recipe, "workers": workers, "out": str(tmp_path / f"{workers}")}).wait()
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        one, two = weights(tmp_path / "1", name), weights(tmp_path / "2", name)
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_allclose(two[key], one[key], rtol=1e-4, atol=1e-5, err_msg=key)
    # They begin as zero.
    assert max(float(np.abs(one[key]).max()) for key in one if "lora_B" in key) > 1e-2
    begun = weights(tmp_path / "model")
    merged = weights(tmp_path / "1")
    same = {key for key, value in begun.items() if np.array_equal(value, merged[key])}
    assert "bert.embeddings.word_embeddings.weight" in same
    assert "bert.encoder.layer.0.attention.self.query.weight" not in same


def test_a_stop_leaves_a_checkpoint_and_no_process(
    train: Train, recipe: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    endless = {**recipe, "workers": 2, "steps": 10**6, "out": str(out), "log_every": 1}
    process = train(endless, cold=True)
    wait_until(lambda: steps(out) > 2 or process.poll() is not None)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send(signal.SIGINT)
    done = process.wait()
    output = done.stdout
    assert done.returncode == 130
    assert output.startswith("Stopped: stopped by SIGINT after step ")
    assert "--resume" in output
    wait_until(lambda: not {pid for pid, _ in processes()} & set(workers))
    entries = json.loads((out / "checkpoints" / "last" / "state.json").read_text())
    assert f"after step {entries['cursor']['step']};" in output


def test_workers_die_with_a_killed_launcher_and_their_own_death_is_reported(
    train: Train, recipe: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    endless = {
        **recipe, "workers": 2, "steps": 10**6, "out": str(out), "log_every": 1,
        "checkpoint_steps": 1,
    }  # fmt: skip
    process = train(endless, cold=True)
    wait_until(lambda: steps(out) > 2 or process.poll() is not None)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not {pid for pid, _ in processes()} & set(workers))

    before = steps(out)
    process = train(endless, resume=True, cold=True)
    wait_until(lambda: steps(out) > before + 2 or process.poll() is not None)
    os.kill(random.choice(children(process.pid)), signal.SIGKILL)
    done = process.wait()
    output = done.stdout
    assert done.returncode == 1
    assert output.startswith("RunError: worker ") and "was ended by SIGKILL" in output


def test_an_error_of_a_worker_arrives_as_its_own(recipe: dict[str, Any], tmp_path: Path) -> None:
    from anysize.core.errors import DataError, RunError
    from anysize.training import Recipe, run

    data = tmp_path / "data"
    for path in Path(recipe["data"]).rglob("*.png"):
        target = data / path.relative_to(recipe["data"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    broken = data / "dark" / "00.png"
    broken.write_bytes(broken.read_bytes()[:60])
    changed = {**recipe, "data": str(data), "epochs": 1.0}
    handler = signal.getsignal(signal.SIGTERM)

    with pytest.raises(DataError, match=r"00\.png"):
        run(Recipe(**changed, strict=True, workers=2, out=str(tmp_path / "strict")), quiet=True)
    assert signal.getsignal(signal.SIGTERM) is handler

    report = run(Recipe(**changed, out=str(tmp_path / "lenient")), quiet=True)
    assert (report.records, report.failed) == (RECORDS - 1, 1)
    assert list(report.failures) == ["dark/00.png"]

    with pytest.raises(RunError, match=r"the loss of step \d+ is not a finite number.*\.png"):
        run(
            Recipe(**{**changed, "learning_rate": 1e3, "clip": 0.0}, out=str(tmp_path / "nan")),
            quiet=True,
        )
