"""Peak memory measured from outside, run by run, and refusals that name a budget that does."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from anysize.core import memory

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def matrix() -> Iterator[ModuleType]:
    """The benchmark that measures process trees from outside."""
    spec = importlib.util.spec_from_file_location(
        "memory_matrix", ROOT / "benchmarks" / "memory_matrix.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up.
    sys.modules["memory_matrix"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["memory_matrix"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("budget")
    random = np.random.default_rng(3)
    with (folder / "texts.jsonl").open("w") as file:
        for row in range(32):
            words = random.integers(0, 300, int(random.integers(3, 400)))
            text = " ".join(f"w{word}" for word in words)
            file.write(json.dumps({"text": text, "label": "ab"[row % 2]}) + "\n")
    return folder


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))


def train(place: Path, budget: int, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "anysize", "train", "text-classification",
        str(place / "texts.jsonl"), "--model", "transformer", "--out", str(out),
        "--steps", "3", "--batch", "8", "--memory", f"{budget // MIB}MiB",
    ]  # fmt: skip


def test_training_and_prediction_stay_inside_a_gibibyte(
    matrix: ModuleType, place: Path, tmp_path: Path
) -> None:
    budget = 1024 * MIB
    run = tmp_path / "run"
    code, messages, peak, _ = matrix.run(train(place, budget, run))
    assert code == 0, messages
    assert 128 * MIB < peak <= budget
    command = [
        sys.executable, "-m", "anysize", "predict", str(run), str(place / "texts.jsonl"),
        "--out", str(tmp_path / "results.jsonl"), "--memory", "1GiB",
    ]  # fmt: skip
    code, messages, peak, _ = matrix.run(command)
    assert code == 0, messages
    assert 128 * MIB < peak <= budget
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 32


def test_what_is_refused_runs_in_the_budget_that_the_refusal_names(
    matrix: ModuleType, place: Path, tmp_path: Path
) -> None:
    case = matrix.Case(model="transformer", verb="train", data="texts")
    refused = matrix.measure(case, place / "texts.jsonl", 320 * MIB, tmp_path)
    assert refused.verdict == "refused", refused
    assert refused.smallest is not None
    assert refused.smallest > 320 * MIB
    kept = matrix.measure(case, place / "texts.jsonl", refused.smallest, tmp_path)
    assert kept.verdict == "kept", kept


def test_the_outside_measurement_counts_children(matrix: ModuleType) -> None:
    grandchild = "import time; data = bytearray(96 << 20); time.sleep(1)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    code, _, peak, seconds = matrix.run([sys.executable, "-c", child])
    assert code == 0
    assert 96 * MIB < peak < 256 * MIB
    assert seconds >= 1
    assert not memory.descendants(2**22)
