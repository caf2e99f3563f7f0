"""``anysize inspect`` and ``anysize augment`` on pictures with objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from anysize.augmentation.drawing import Drawn, with_boxes
from anysize.cli.main import app

pillow = pytest.importorskip("PIL.Image")
pytest.importorskip("cv2")

RED = (230, 57, 70)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of 200 x 100 with one or two boxes, one of them with a faulty annotation."""
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    for number in range(4):
        pixels = np.full((100, 200, 3), 60 * number + 20, np.uint8)
        pillow.fromarray(pixels).save(data / "images" / f"{number}.png")
    annotations = [
        {"image_id": 0, "category_id": 1, "bbox": [0, 0, 100, 50]},
        {"image_id": 0, "category_id": 2, "bbox": [10, 10, 20, 20]},
        {"image_id": 1, "category_id": 1, "bbox": [50, 25, 100, 50], "iscrowd": 1},
        {"image_id": 2, "category_id": 1},
    ]
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 200, "height": 100}
            for number in range(4)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "box"}, {"id": 2, "name": "disc"}],
    }
    (data / "annotations.json").write_text(json.dumps(document))
    return data


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("task", [(), ("--task", "object-detection")])
def test_inspect_counts_boxes_classes_and_sizes(folder: Path, task: tuple[str, ...]) -> None:
    said = json.loads(run("inspect", str(folder), *task, "--json"))
    assert said["records"] == 4
    assert said["objects"] == 3
    assert said["classes"] == {
        "box": {"objects": 2, "pictures": 2}, "disc": {"objects": 1, "pictures": 1},
    }  # fmt: skip
    assert said["areas"] == {"small": 1, "medium": 2, "large": 0}
    assert said["pictures_without_objects"] == 1
    assert said["crowds"] == 1
    assert said["percent_of_picture"]["max"] == 25
    assert said["unreadable"] == 1
    assert "annotations[3]: it has no bbox" in said["unreadable_named"][0]["error"]


def test_inspect_draws_the_boxes(folder: Path, tmp_path: Path) -> None:
    assert "3 boxes of 2 classes" in " ".join(run("inspect", str(folder)).split())
    sheet = tmp_path / "sheet.png"
    run("inspect", str(folder), "--out", str(sheet))
    with pillow.open(sheet) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red = (np.abs(pixels - RED).sum(axis=-1) < 6).sum()
    # A box of half the picture's width and height, drawn 240 pixels wide, has 360 pixels around it.
    assert red > 300


def test_inspect_draws_no_boxes_of_other_data(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text,label\nabc,x\n")
    for arguments in (
        [str(tmp_path / "texts.csv"), "--out", str(tmp_path / "sheet.png")],
        [str(tmp_path / "texts.csv"), "--out", str(tmp_path / "sheet.jpg")],
    ):
        done = CliRunner().invoke(app, ["inspect", *arguments])
        assert done.exit_code != 0
        assert "--out" in str(done.exception)


def test_augment_shows_what_a_detector_is_trained_on(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ("augment", str(folder), "--out", str(sheet), "--draws", "2", "--json")
    said = json.loads(run(*arguments, "--augment", "hflip(p=1)", "--size", "160x160"))
    assert said["augment"] == "hflip(p=1)"
    assert said["records"] == ["images/0.png", "images/1.png", "images/3.png"]
    assert any("it has no bbox" in failure for failure in said["failures"])
    with pillow.open(sheet) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # The first epoch of the first picture: mirrored and letterboxed, so the box that fills its
    # upper left quarter is at the right, below the border.
    cell = pixels[24 : 24 + 160, 6 + 166 : 6 + 166 + 160]
    _, columns = np.nonzero(np.abs(cell - RED).sum(axis=-1) < 6)
    assert columns.min() >= 78
    assert columns.max() >= 157
    said = json.loads(run(*arguments))
    assert said["augment"].startswith("hflip, scale")


def test_boxes_are_drawn_where_they_are() -> None:
    made = with_boxes(np.zeros((40, 60, 3), np.uint8), [Drawn(box=(10, 5, 30, 25))])
    rows, columns = np.nonzero(made.sum(axis=-1))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 5, 29, 24)
