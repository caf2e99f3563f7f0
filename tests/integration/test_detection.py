"""Object detection from YOLO files to the objects of pictures larger than the model's input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core.errors import ConfigurationError

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220)}
SIDE = 64


def painted(
    seed: int, width: int, height: int, count: int
) -> tuple[np.ndarray, list[tuple[int, int, int, int, int]]]:
    """Squares of two colours on grey, apart from each other: pixels and ``(class, box)``."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(120, 6, (height, width, 3))
    taken = np.zeros((height, width), bool)
    objects = []
    for _ in range(20 * count):
        side = int(rng.integers(12, 21))
        x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        if (
            len(objects) == count
            or taken[max(y - 3, 0) : y + side + 3, max(x - 3, 0) : x + side + 3].any()
        ):
            continue
        kind = int(rng.integers(0, 2))
        taken[y : y + side, x : x + side] = True
        pixels[y : y + side, x : x + side] = tuple(COLOURS.values())[kind]
        objects.append((kind, x, y, x + side, y + side))
    return np.clip(pixels, 0, 255).astype(np.uint8), objects


def write(folder: Path, split: str, seeds: range, width: int, height: int, count: int) -> None:
    """Pictures with a YOLO text file each, and their names."""
    for kind in ("images", "labels"):
        (folder / kind / split).mkdir(parents=True)
    for seed in seeds:
        pixels, objects = painted(seed, width, height, count)
        Image.fromarray(pixels).save(folder / "images" / split / f"{seed}.png")
        lines = [
            f"{kind} {(x0 + x1) / 2 / width} {(y0 + y1) / 2 / height} "
            f"{(x1 - x0) / width} {(y1 - y0) / height}"
            for kind, x0, y0, x1, y1 in objects
        ]
        (folder / "labels" / split / f"{seed}.txt").write_text("\n".join(lines))
    (folder / "data.yaml").write_text(f"names: [{', '.join(COLOURS)}]\n{split}: images/{split}\n")


@pytest.fixture(scope="module")
def bundle(shelf: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        write(folder / "data", "train", range(48), SIDE, SIDE, 3)
        anysize.train(
            "object-detection", folder / "data", model="detector-small", out=folder / "run",
            steps=120, validation=0.0, augment="none", image_size=(SIDE, SIDE), learning_rate=3e-3,
            memory="4GiB", seed=3, threshold=0.3, nms_iou=0.5,
        )  # fmt: skip

    return shelf("squares", make, own=True) / "run"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write(folder, "val", range(900, 903), 300, 220, 24)
    return folder


def test_pictures_laid_over_each_other_have_no_boxes(tmp_path: Path) -> None:
    write(tmp_path / "data", "train", range(4), SIDE, SIDE, 3)
    with pytest.raises(ConfigurationError, match="aug_mix"):
        anysize.train(
            "object-detection", tmp_path / "data", model="detector-small", out=tmp_path / "run",
            steps=1, validation=0.0, augment="augmix", image_size=(SIDE, SIDE),
        )  # fmt: skip
    assert not (tmp_path / "run" / "anysize.json").exists()


def told(*arguments: str) -> Any:
    outcome = CliRunner().invoke(app, [*arguments, "--json"])
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout)


def test_tiles_find_what_the_shrunk_whole_does_not(bundle: Path, large: Path) -> None:
    tiled = told("evaluate", str(bundle), str(large))
    whole = told("evaluate", str(bundle), str(large), "--tiles", "never")
    assert tiled["ap50"] > 0.8
    assert whole["ap50"] < 0.5 * tiled["ap50"]


def test_rules_of_reported_objects_are_kept_and_can_be_changed(bundle: Path, large: Path) -> None:
    assert json.loads((bundle / "anysize.json").read_text())["prediction"] == {
        "threshold": 0.3, "nms_iou": 0.5,
    }  # fmt: skip
    assert told("evaluate", str(bundle), str(large))["reported"]["threshold"] == 0.3
    strict = told("evaluate", str(bundle), str(large), "--threshold", "0.9")
    assert strict["reported"]["threshold"] == 0.9
    picture = str(large / "images" / "val" / "900.png")
    counts = []
    for nms_iou in ("0.05", "0.5", "1"):
        (found,) = told("predict", str(bundle), picture, "--nms-iou", nms_iou)["results"]
        counts.append(len(found["prediction"]))
    assert counts[0] <= counts[1] < counts[2]
    (usual,) = told("predict", str(bundle), picture)["results"]
    assert len(usual["prediction"]) == counts[1]
    for wrong in (["--nms-iou", "0"], ["--threshold", "-1"]):
        outcome = CliRunner().invoke(app, ["predict", str(bundle), picture, *wrong])
        assert outcome.exit_code != 0


def test_rules_of_reported_objects_are_for_detection(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\na,x\nb,y\n")
    with pytest.raises(ConfigurationError, match="nms_iou has no effect on text-classification"):
        anysize.train(
            "text-classification", tmp_path / "data.csv", model="lstm", out=tmp_path / "run",
            nms_iou=0.5,
        )  # fmt: skip


def test_predicted_objects_are_in_the_pictures_pixels(bundle: Path, large: Path) -> None:
    picture = large / "images" / "val" / "900.png"
    (found,) = told("predict", str(bundle), str(picture))["results"]
    assert found["receipt"]["covered"] == 1.0 and found["receipt"]["windows"] > 12
    wanted = {(kind, *box) for kind, *box in painted(900, 300, 220, 24)[1]}
    near = sum(
        any(
            each["label"] == tuple(COLOURS)[kind]
            and np.abs(np.subtract(each["box"], box)).max() < 4
            for each in found["prediction"]
        )
        for kind, *box in wanted
    )
    assert near > 0.8 * len(wanted)


def test_the_threshold_is_the_callers(bundle: Path, large: Path) -> None:
    picture = str(large / "images" / "val" / "900.png")
    for threshold in (0.1, 0.3, 0.6):
        (found,) = told("predict", str(bundle), picture, "--threshold", str(threshold))["results"]
        scores = [each["score"] for each in found["prediction"]]
        assert min(scores) >= threshold
        if threshold == 0.3:
            (usual,) = told("predict", str(bundle), picture)["results"]
            assert found["prediction"] == usual["prediction"]
    (weak,) = told("predict", str(bundle), picture, "--threshold", "0.02")["results"]
    assert min(each["score"] for each in weak["prediction"]) < 0.1
    outcome = CliRunner().invoke(app, ["predict", str(bundle), picture, "--threshold", "-0.5"])
    assert isinstance(outcome.exception, ConfigurationError)
    assert "from 0 to 1" in str(outcome.exception)


def test_larger_tiles_are_fewer(bundle: Path, large: Path) -> None:
    picture = str(large / "images" / "val" / "900.png")
    receipts = [
        told("predict", str(bundle), picture, "--tile", side)["results"][0]["receipt"]
        for side in ("64", "128")
    ]
    windows = [receipt["windows"] for receipt in receipts]
    assert windows[0] > 3 * windows[1] > 3
    assert [receipt["tile"] for receipt in receipts] == [[64, 64], [128, 128]]
