"""``anysize augment`` and ``anysize list augmentations``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app
from anysize.core.errors import ConfigurationError, DataError

pillow = pytest.importorskip("PIL.Image")
pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of two pictures, and a damaged file."""
    draws = np.random.default_rng(0)
    for label in ("cats", "dogs"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(2):
            pixels = draws.integers(0, 256, (40, 60, 3), dtype=np.uint8)
            pillow.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path / "data"


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["augment", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_sheet_of_a_folder(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "out" / "sheet.png"
    said = json.loads(
        run(str(folder), "--out", str(sheet), "--augment", "imagenet, colour(0.4)", "--count", "3",
            "--draws", "4", "--size", "64x48", "--json")
    )  # fmt: skip
    assert said["augment"] == "random_resized_crop, hflip, colour"
    assert len(said["records"]) == 3
    with pillow.open(sheet) as picture:
        assert picture.size == (said["width"], said["height"])
    assert not list(sheet.parent.glob("*.part"))
    first = sheet.read_bytes()
    again = tmp_path / "again.png"
    run(str(folder), "--out", str(again), "--augment", "imagenet, colour(0.4)", "--count", "3",
        "--draws", "4", "--size", "64x48")  # fmt: skip
    assert again.read_bytes() == first
    run(str(folder), "--out", str(again), "--augment", "imagenet, colour(0.4)", "--count", "3",
        "--draws", "4", "--size", "64x48", "--seed", "1")  # fmt: skip
    assert again.read_bytes() != first


def test_a_sheet_of_one_picture_and_of_a_table(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert "1 pictures" in run(str(folder / "cats" / "0.png"), "--out", str(sheet))
    table = tmp_path / "data.csv"
    table.write_text("photo,label\ndata/cats/0.png,猫\ndata/dogs/1.png,狗\n", encoding="utf-8")
    assert "2 pictures" in run(str(table), "--out", str(sheet), "--augment", "trivial")


def test_the_same_from_python(folder: Path, tmp_path: Path) -> None:
    run(str(folder), "--out", str(tmp_path / "told.png"), "--augment", "hflip", "--size", "64x48")
    sheet = anysize.augment(folder, tmp_path / "made.png", "hflip", size=(64, 48))
    assert (tmp_path / "made.png").read_bytes() == (tmp_path / "told.png").read_bytes()
    unwritten = anysize.augment(folder, augment=anysize.Augmentation("hflip"), size=(64, 48))
    np.testing.assert_array_equal(unwritten.pixels, sheet.pixels)
    assert len(sheet.records) == 4
    with pytest.raises(ConfigurationError, match="hflop"):
        anysize.augment(folder, augment="hflop")


def test_a_damaged_picture_is_named_and_the_rest_is_shown(folder: Path, tmp_path: Path) -> None:
    (folder / "cats" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    sheet = tmp_path / "sheet.png"
    said = json.loads(run(str(folder), "--out", str(sheet), "--json"))
    assert len(said["records"]) == 3
    assert len(said["failures"]) == 1
    assert "cats/0.png" in said["failures"][0]


def test_all_faults_at_once_and_nothing_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run(str(folder), "--out", str(tmp_path / "sheet.jpg"), "--augment", "rotat(30), blur(p=2)",
            "--count", "0", "--draws", "99", "--size", "big")  # fmt: skip
    assert len(caught.value.problems) == 6
    assert list(tmp_path.glob("sheet*")) == []
    with pytest.raises(DataError, match="does not exist"):
        run(str(folder) + "x", "--out", str(tmp_path / "sheet.png"))


def test_the_list_documents_every_step() -> None:
    from anysize.augmentation.specification import catalogue
    from anysize.augmentation.steps import Step

    done = CliRunner().invoke(app, ["list", "augmentations"], catch_exceptions=False)
    for name, kind in catalogue().items():
        assert issubclass(kind, Step)
        assert f"\n  {name}" in done.stdout
    assert "rotate(degrees=-30..30, p=1)  [warp]" in done.stdout
    assert "the angle" in done.stdout
    found = json.loads(
        CliRunner().invoke(app, ["list", "augmentations", "--json"], catch_exceptions=False).stdout
    )
    entries = {entry["name"]: entry for entry in found["entries"]}
    assert entries["imagenet"]["steps"] == "random_resized_crop, hflip"
    assert entries["rotate"]["parameters"][0]["default"] == "-30..30"
    assert set(found["augmentations"]) == set(entries)
