"""Sheets of recordings: spectra before and after, and the sounds beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.recordings import tone

import anysize
from anysize.augmentation.sounds import SoundChanges
from anysize.augmentation.specification import parse
from anysize.core.errors import ConfigurationError, DataError
from anysize.readers.audio.sound import Sound

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")
pytest.importorskip("jinja2")
pillow = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label, hertz in (("low", 250.0), ("high", 1500.0)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for place in range(3):
            tone(tmp_path / "data" / label / f"{place}.wav", hertz, 0.5, seed=place)
    return tmp_path / "data"


def test_a_folder_has_the_sounds_as_training_hears_them(folder: Path, tmp_path: Path) -> None:
    out, spec = tmp_path / "shown", "speed(0.2), background_noise(10, p=1), time_mask"
    found: Any = anysize.augment(folder, out, spec, count=2, draws=3)
    assert (len(found.records), found.rate, found.failures) == (2, 8000, ())
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2 + 2 * 2 * 4
    text = (out / "index.html").read_text(encoding="utf-8")
    assert all(name in text for name in names if name not in ("index.html", "sheet.png"))
    with pillow.open(out / "sheet.png") as picture:
        assert picture.size == (found.pixels.shape[1], found.pixels.shape[0])
    source = Sound(folder / found.records[0].split("data/")[-1])
    before, rate = soundfile.read(out / "01-original.flac", dtype="float32")
    assert rate == 8000
    whole = np.concatenate(list(source.blocks(rate)))
    np.testing.assert_allclose(before, whole, atol=1e-4)
    change = SoundChanges(parse(spec), 0, rate).samples(2, found.records[0])
    wanted = np.concatenate(list(change(source.blocks(rate), rate)))
    heard, _ = soundfile.read(out / "01-epoch-2.flac", dtype="float32")
    np.testing.assert_allclose(heard, wanted, atol=1e-4)
    assert len(heard) != len(before)
    again = tmp_path / "again"
    anysize.augment(folder, again, spec, count=2, draws=3)
    assert (again / "sheet.png").read_bytes() == (out / "sheet.png").read_bytes()


def test_a_picture_alone_and_what_training_takes(folder: Path, tmp_path: Path) -> None:
    found: Any = anysize.augment(folder, tmp_path / "sheet.png", count=2, draws=1)
    assert found.augment.startswith("gain, background_noise")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["sheet.png"]
    # A mask of the window is seen: some columns or rows are even.
    masked: Any = anysize.augment(folder, None, "time_mask(20..20, count=1)", count=1, draws=1)
    original, epoch = masked.heard[0]
    assert (original.samples == epoch.samples).all()
    changed = (original.colours != epoch.colours).any(axis=0)
    assert 0 < changed.sum() < len(changed)


def test_what_cannot_be_shown_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "low" / "0.wav").write_bytes(b"RIFF nothing")
    found: Any = anysize.augment(folder, None, "gain", count=6, draws=1)
    assert len(found.records) == 5
    assert "0.wav" in found.failures[0]
    with pytest.raises(ConfigurationError, match="hflip changes pictures, and the data are record"):
        anysize.augment(folder, None, "hflip")
    with pytest.raises(ConfigurationError, match="or a folder, for recordings"):
        anysize.augment(folder, tmp_path / "sheet.tsv", "gain")
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"RIFF nothing")
    with pytest.raises(DataError):
        anysize.augment(folder, None, "gain")


def test_a_table_that_names_recordings_is_not_taken_for_pictures(
    folder: Path, tmp_path: Path
) -> None:
    table = folder / "manifest.csv"
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.wav"))]
    rows = "".join(f"{name},{name.partition('/')[0]}\n" for name in names)
    table.write_text(f"file_name,label\n{rows}", encoding="utf-8")
    for data in (table, folder):
        found: Any = anysize.augment(data, tmp_path / "sheet.png", "gain", count=1, draws=1)
        assert found.noun == "recordings"
