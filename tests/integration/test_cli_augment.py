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


def pages_file(path: Path, count: int) -> Path:
    """A TIFF whose pages are grey, each darker than the one before."""
    pages = [pillow.new("RGB", (60, 40), (250 - 20 * page,) * 3) for page in range(count)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_every_page_has_a_row(tmp_path: Path) -> None:
    scan, sheet = pages_file(tmp_path / "scan.tif", 5), tmp_path / "sheet.png"
    for options, shown in (((), [1, 2, 3, 4, 5]), (("--pages", "first"), [1]),
                           (("--pages", "3"), [1, 3, 5])):  # fmt: skip
        said = json.loads(run(str(scan), "--out", str(sheet), "--draws", "1", *options, "--json"))
        assert said["records"] == ["scan.tif"]
        assert said["rows"] == [f"scan.tif, page {page} of 5" for page in shown]
        pixels = anysize.augment(scan, pages=options[-1] if options else None, draws=1).pixels
        # The middle of the first picture of each row, whose place is the same on every sheet.
        step = (pixels.shape[0] - 24) // len(shown)
        found = [int(pixels[24 + row * step + 80, 86, 0]) for row in range(len(shown))]
        assert found == [250 - 20 * (page - 1) for page in shown]
    with pytest.raises(ConfigurationError, match="--pages must be all, first or a number"):
        run(str(scan), "--out", str(sheet), "--pages", "none")


def test_a_sheet_has_a_hundred_rows_at_most(tmp_path: Path) -> None:
    pages_file(tmp_path / "scan.tif", 120)
    sheet = anysize.augment(tmp_path / "scan.tif", draws=1, size=(8, 8))
    assert len(sheet.rows) == 100
    (failure,) = sheet.failures
    assert failure.startswith("scan.tif: 20 of its 120 pages")


def test_several_paths_and_patterns(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    both = (str(folder / "cats"), str(folder / "dogs" / "*.png"))
    said = json.loads(run(*both, "--out", str(sheet), "--json"))
    assert len(said["records"]) == 4
    made = anysize.augment([folder / "cats", str(folder / "dogs" / "*.png")])
    assert list(made.records) == said["records"]
    with pytest.raises(DataError, match="matches nothing"):
        run(*both, str(folder / "*.gif"), "--out", str(sheet))
    with pytest.raises(ConfigurationError, match="is an input itself"):
        run(str(folder / "*" / "*.png"), "--out", str(folder / "cats" / "0.png"))


def test_what_is_odd_about_the_data_is_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "cats" / "notes.xyz").write_text("mine")
    sheet = tmp_path / "sheet.png"
    said = json.loads(run(str(folder), "--out", str(sheet), "--json"))
    (finding,) = said["findings"]
    assert "notes.xyz" in " ".join(finding["examples"])
    made = anysize.augment(folder)
    assert [each.to_json() for each in made.findings] == [finding]
    assert sum(finding["message"] in message for message in caplog.messages) == 2
    sheet.unlink()
    with pytest.raises(DataError, match=r"notes\.xyz"):
        run(str(folder), "--out", str(sheet), "--strict")
    assert not sheet.exists()


def test_a_damaged_picture_is_read_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    path = folder / "cats" / "0.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    pillow.fromarray(pixels).save(path, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(anysize.augment(path.parent).failures) == 1
    assert anysize.augment(path.parent, tolerant=True).failures == ()
