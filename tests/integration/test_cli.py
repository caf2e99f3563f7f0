"""The command line as a user meets it: results, mistakes, exit codes, nothing half-written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest

CLASSES = ("dark", "light")


Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


def document(run: Run, *arguments: str | Path) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def pictures(shelf: Callable[..., Path]) -> Path:
    return shelf("cli pictures", write_pictures)


def write_pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 48), ("test", 16)):
        for index in range(count):
            shade = index % 2
            picture = rng.integers(160 * shade, 96 + 160 * shade, (16, 16, 3)).astype(np.uint8)
            path = folder / split / CLASSES[shade] / f"{index:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)


@pytest.fixture(scope="module")
def bundle(run: Run, pictures: Path, shelf: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        out = folder / "run"
        report = document(
            run, "train", "image-classification", pictures, "--model", "cnn", "--out", out,
            "--epochs", "4", "--batch", "8", "--seed", "1", "--memory", "4GiB",
        )  # fmt: skip
        assert report["bundle"] == str(out)
        assert report["records"] == 4 * (48 - validation_records(out))

    return shelf("cli run", make, own=True) / "run"


def validation_records(out: Path) -> int:
    card = json.loads((out / "anysize.json").read_text())
    return 48 - sum(card["provenance"]["label_counts"].values())


def test_evaluate_measures_the_test_split_and_writes_the_report(
    run: Run, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    metrics = document(run, "evaluate", bundle, pictures, "--out", tmp_path / "report")
    assert metrics["records"] == 16
    assert metrics["accuracy"] == 1.0
    assert metrics == {
        **metrics,
        **{
            key: value
            for key, value in json.loads((tmp_path / "report" / "metrics.json").read_text()).items()
            if key in ("accuracy", "macro_f1", "ece")
        },
    }
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "dark" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_predict_streams_lines_with_receipts_and_names_what_it_could_not_read(
    run: Run, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((pictures / "test" / "dark" / "000.png").read_bytes()[:60])
    out = tmp_path / "results.jsonl"
    done = run("predict", bundle, broken, pictures / "test" / "light", "--out", out)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 9
    assert "broken.png" in lines[0]["error"]
    assert {line["prediction"] for line in lines[1:]} == {"light"}
    assert lines[1]["receipt"]["covered"] == 1.0
    assert "1 could not be read" in done.stderr
    assert "broken.png" in done.stderr


def test_standard_error_holds_nothing_but_our_own_lines(bundle: Path, pictures: Path) -> None:
    # Not in a fork: what is imported on the way must be quiet too.
    done = subprocess.run(
        [sys.executable, "-m", "anysize", "predict", bundle, pictures / "test" / "dark"],
        capture_output=True,
        text=True,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8
    strange = re.compile(r"failed to load|warning|^[WE]\d{4} |^\S+\.py:", re.IGNORECASE)
    assert [line for line in done.stderr.splitlines() if strange.search(line)] == []
    assert "8 predicted" in done.stderr


def test_strict_stops_and_leaves_no_file(run: Run, bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    out = tmp_path / "results.jsonl"
    done = run("predict", bundle, broken, "--strict", "--out", out)
    assert done.returncode == 2
    assert "broken.png" in done.stderr
    assert list(tmp_path.iterdir()) == [broken]


def test_standard_input_is_a_record_a_line(run: Run, bundle: Path, pictures: Path) -> None:
    paths = sorted((pictures / "test" / "dark").glob("*.png"))[:3]
    done = run("predict", bundle, "-", "--json", stdin="\n".join(map(str, paths)) + "\n")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [result["prediction"] for result in results] == ["dark"] * 3


def test_inspect_tells_a_bundle_from_data(run: Run, bundle: Path, pictures: Path) -> None:
    assert document(run, "inspect", bundle)["labels"] == list(CLASSES)
    counts = document(run, "inspect", pictures)
    assert counts["records"] == 64
    assert run("inspect", pictures).stdout.count("dark") >= 1


def test_plan_says_what_training_would_do(run: Run, pictures: Path) -> None:
    plan = document(
        run, "plan", "image-classification", pictures, "--model", "cnn", "--memory", "2GiB"
    )
    assert plan["micro_cost"] > 0
    assert plan["predicted_peak"] <= 2 << 30
    assert plan["why"]


def test_a_recipe_repeats_a_run(run: Run, bundle: Path, tmp_path: Path) -> None:
    done = run("train", bundle / "recipe.toml", "--out", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stderr
    first = (bundle / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == first


MISTAKES = [
    (["predict", "{bundle}", "nosuch.png"], "nosuch.png"),
    (["predict", "nosuch/bundle", "{pictures}"], "nosuch/bundle"),
    (["predict", "{pictures}", "{pictures}"], "neither a bundle"),
    (["predict", "{bundle}", "{pictures}", "--memory", "lots"], "2GiB"),
    (["predict", "{bundle}", "{pictures}", "--tiles", "maybe"], "auto, always, never"),
    (["predict", "{bundle}", "{pictures}", "--merge", "attention"], "attention"),
    (["predict", "{bundle}", "{pictures}", "--memory", "64MiB"], "smallest"),
    (["evaluate", "{bundle}", "{pictures}", "--split", "exam"], "train, validation, test"),
    (["train", "image-clasification", "{pictures}", "--model", "cnn"], "image-classification"),
    (["train", "image-classification", "{pictures}", "--model", "resnet17"], "resnet18"),
    (["train", "image-classification"], "data is missing"),
    (["train", "image-classification", "{pictures}", "--model", "cnn", "--epochs", "-1"], "epochs"),
    (["train", "text-classification", "{pictures}", "--model", "lstm"], "text"),
    (["list", "colours"], "tasks"),
    (["predict", "{bundle}", "{pictures}", "--columns", "label"], "role=column"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=lambda value: str(value)[:60])
def test_mistakes_are_told_plainly(
    arguments: list[str],
    said: str,
    run: Run,
    bundle: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(text.format(bundle=bundle, pictures=pictures) for text in arguments))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_errors_are_one_document_with_json(run: Run, bundle: Path) -> None:
    done = run("predict", bundle, "nosuch.png", "--json")
    assert done.returncode == 2
    assert "nosuch.png" in json.loads(done.stdout)["error"]


def test_two_faults_of_one_configuration_are_both_told(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    done = run(
        "train", "image-classification", pictures, "--model", "cnn",
        "--epochs", "0", "--batch", "-3", "--out", tmp_path / "o",
    )  # fmt: skip
    assert done.returncode == 2
    assert "epochs" in done.stderr
    assert "batch" in done.stderr
