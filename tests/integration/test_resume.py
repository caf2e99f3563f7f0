"""Runs that are killed and resumed: every record exactly once, and the same weights bit for bit."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.encoders import save_texts, save_tiny_encoder

RECORDS = 150


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A table of short and long texts, and a tiny encoder that reads 32 tokens at once."""
    folder = tmp_path_factory.mktemp("texts")
    save_texts(folder / "data.csv", RECORDS)
    save_tiny_encoder(folder / "model")
    return {
        "task": "text-classification",
        "data": str(folder / "data.csv"),
        "model": str(folder / "model"),
        "epochs": 2.0,
        "batch": 8,
        "micro_cost": 64,
        "validation": 0.0,
        "test": 0.0,
    }


@pytest.fixture(scope="module")
def additions(texts: dict[str, Any]) -> dict[str, Any]:
    """Low-rank additions with dropout, of which the checkpoints hold no base weights."""
    return {
        **texts, "lora": True, "lora_rank": 2, "lora_dropout": 0.1, "lora_targets": ["all-linear"],
        "ema": 0.9,
    }  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Folders of small pictures, for a net with batch statistics."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(2)
    for number in range(RECORDS):
        label = ("dark", "light")[number % 2]
        pixels = generator.integers(0, 160, size=(10, 12, 3)) + (80 if label == "light" else 0)
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number}.png")
    return {
        "task": "image-classification",
        "data": str(folder),
        "model": "cnn",
        "epochs": 2.0,
        "batch": 8,
        "micro_cost": 4 * 12 * 10,
        "ema": 0.9,
        "validation": 0.2,
        "test": 0.0,
    }


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tones with letters as their transcripts, for a model with a CTC head."""
    pytest.importorskip("soxr")
    from tests.recordings import tone

    folder = tmp_path_factory.mktemp("speech")
    rows = ["audio,text"]
    for number in range(RECORDS):
        tone(
            folder / f"{number}.wav", 300.0 + 200 * (number % 3), 0.2 + 0.01 * (number % 9), number
        )
        rows.append(f"{number}.wav,{'abc'[number % 3]}")
    (folder / "data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = {
        "channels": "4x4", "hidden_size": "16", "num_layers": "1", "num_heads": "2", "kernel": "3",
    }  # fmt: skip
    return {
        "task": "automatic-speech-recognition",
        "data": str(folder / "data.csv"),
        "model": "conformer-ctc-small",
        "options": options,
        "epochs": 2.0,
        "batch": 8,
        "validation": 0.0,
        "test": 0.0,
    }


Train: TypeAlias = Callable[..., Any]


def finish(train: Train, recipe: dict[str, Any], *, resume: bool) -> None:
    done = train(recipe, resume=resume).wait()
    assert done.returncode == 0, done.stderr


def kill_at(train: Train, recipe: dict[str, Any], step: int, *, resume: bool) -> None:
    """Runs until ``step`` steps are noted in the trace, then ends it with SIGKILL."""
    process = train(recipe, resume=resume)
    try:
        while process.poll() is None and last_step(Path(recipe["trace"])) < step:
            time.sleep(0.005)
    finally:
        process.send(signal.SIGKILL)
        done = process.wait()
    assert done.returncode == -signal.SIGKILL, done.stderr


def lines(trace: Path) -> Iterator[dict[str, Any]]:
    for line in trace.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def last_step(trace: Path) -> int:
    try:
        *_, last = trace.read_text(encoding="utf-8").rstrip().splitlines() or ["{}"]
        return int(json.loads(last).get("step", 0))
    except (OSError, ValueError):
        return 0


def committed(out: Path) -> int:
    entries = json.loads((out / "checkpoints" / "last" / "state.json").read_text())
    return int(entries["cursor"]["step"])


def test_exactly_once_across_three_kills_and_other_workers(
    train: Train, texts: dict[str, Any], tmp_path: Path
) -> None:
    out, trace = tmp_path / "run", tmp_path / "trace.jsonl"
    recipe = {
        **texts, "out": str(out), "trace": str(trace), "checkpoint_steps": 3, "tensorboard": False
    }  # fmt: skip
    generator = random.Random(7)
    steps_per_epoch = -(-RECORDS // 8)
    segments = [(1, 2), (2, 1), (1, 0)]
    for number, (workers, loaders) in enumerate(segments):
        target = generator.randrange(4 + 12 * number, 12 + 12 * number)
        changed = {**recipe, "workers": workers, "loaders": loaders}
        kill_at(train, changed, target, resume=number > 0)
        assert 0 < committed(out) <= last_step(trace) < 2 * steps_per_epoch
    finish(train, {**recipe, "workers": 3, "loaders": 2}, resume=True)

    written = list(lines(trace))
    assert [line["step"] for line in written] == list(range(1, 2 * steps_per_epoch + 1))
    for epoch in range(2):
        visited = [index for line in written if line["epoch"] == epoch for index in line["records"]]
        assert sorted(visited) == list(range(RECORDS))
    assert json.loads((out / "report.json").read_text())["records"] == 2 * RECORDS


@pytest.mark.parametrize(
    ("kind", "workers", "kills"),
    [("texts", 2, (14,)), ("pictures", 1, (6, 19)), ("additions", 2, (6, 19)), ("speech", 2, (9,))],
)
def test_resumed_weights_equal_the_uninterrupted_bit_for_bit(
    kind: str,
    workers: int,
    kills: tuple[int, ...],
    train: Train,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    recipe = {
        **request.getfixturevalue(kind), "workers": workers, "checkpoint_steps": 4,
        "tensorboard": False, "seed": 3,
    }  # fmt: skip
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(train, {**recipe, "out": str(straight)}, resume=False)
    broken = {**recipe, "out": str(killed), "trace": str(tmp_path / "trace.jsonl")}
    for number, step in enumerate(kills):
        kill_at(train, {**broken, "loaders": number}, step, resume=number > 0)
    finish(train, broken, resume=True)

    files = [
        "model.safetensors",
        *sorted(
            str(path.relative_to(straight))
            for path in (straight / "checkpoints").rglob("*.safetensors")
        ),
    ]
    if kind == "additions":
        files.append("adapter/adapter_model.safetensors")
        added = load_file(straight / files[-1])
        assert all(item.any() for item in added.values())
    assert len(files) == {"texts": 3, "pictures": 5, "additions": 5, "speech": 3}[kind]
    for name in files:
        assert (killed / name).read_bytes() == (straight / name).read_bytes(), name
    for path in straight.glob("tokenizer*"):
        assert (killed / path.name).read_bytes() == path.read_bytes(), path.name
    precisions = {
        line
        for run in (straight, killed)
        for line in (run / "recipe.toml").read_text(encoding="utf-8").splitlines()
        if line.startswith("precision")
    }
    assert len(precisions) == 1
    assert precisions < {'precision = "bfloat16"', 'precision = "float32"'}


def test_resuming_refuses_other_data_and_another_recipe(
    texts: dict[str, Any], tmp_path: Path
) -> None:
    from anysize.core.errors import ConfigurationError, DataError
    from anysize.training import Recipe, run

    data = tmp_path / "data.csv"
    data.write_text(Path(texts["data"]).read_text())
    recipe = Recipe(
        **{**texts, "data": str(data), "epochs": None},
        steps=2, out=str(tmp_path / "run"), tensorboard=False,
    )  # fmt: skip
    first = run(recipe, quiet=True)
    assert (first.steps, first.ended) == (2, "steps")

    import dataclasses

    with pytest.raises(ConfigurationError) as caught:
        run(dataclasses.replace(recipe, seed=9, merge="max"), resume=True, quiet=True)
    assert "seed is 9, but the run was started with 0" in str(caught.value)
    assert len(caught.value.problems) == 2

    longer = run(dataclasses.replace(recipe, steps=3), resume=True, quiet=True)
    assert (longer.steps, longer.records) == (3, 24)

    data.write_text(data.read_text() + "w1 w2,yes\n")
    with pytest.raises(DataError, match="has changed since the run"):
        run(dataclasses.replace(recipe, steps=4), resume=True, quiet=True)


def test_an_unfinished_run_is_not_overwritten(texts: dict[str, Any], tmp_path: Path) -> None:
    from anysize.core.errors import ConfigurationError
    from anysize.training import Recipe, run

    recipe = Recipe(
        **{**texts, "epochs": None}, steps=2, out=str(tmp_path / "run"), tensorboard=False
    )
    run(recipe, quiet=True)
    (tmp_path / "run" / "report.json").unlink()
    with pytest.raises(ConfigurationError, match="go on with --resume"):
        run(recipe, quiet=True)
