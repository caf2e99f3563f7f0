from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from anysize.core.records import Source
from anysize.modalities.pictures.kept import LARGEST, KeptPictures, worth
from anysize.sources import open_source
from anysize.tasks.image_classification import IMAGE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(6):
        pixels = random.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def opened(folder: Path) -> Source:
    return open_source(folder, roles=(IMAGE,))


def pixels(source: Source, index: int) -> np.ndarray:
    image = source[index].image("image")
    return image.resized(*image.extent)


def test_pictures_are_the_same_and_are_read_once(folder: Path) -> None:
    plain = opened(folder)
    expected = [pixels(plain, index) for index in range(len(plain))]
    kept = KeptPictures(opened(folder), "image", 1 << 20)
    assert (kept.name, len(kept), kept.fingerprint()) == (plain.name, 6, plain.fingerprint())
    first = [pixels(kept, index) for index in range(6)]
    for path in folder.iterdir():
        path.unlink()
    again = [pixels(kept, index) for index in range(6)]
    for one, two, three in zip(expected, first, again, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert kept[2].id == plain[2].id


def test_no_more_is_kept_than_fits(folder: Path) -> None:
    each = 8 * 12 * 3 + 2048
    kept = KeptPictures(opened(folder), "image", 2 * each + 10)
    for index in range(6):
        kept[index]
    for path in folder.iterdir():
        path.unlink()
    pixels(kept, 0)
    pixels(kept, 1)
    with pytest.raises(Exception, match=r"2\.png"):
        pixels(kept, 2)


def test_large_pictures_are_not_worth_it(folder: Path) -> None:
    source = opened(folder)
    assert worth(source, "image", 1 << 30) == 6 * (8 * 12 * 3 + 2048)
    assert worth(source, "image", 100) == 100
    side = int((LARGEST / 3) ** 0.5) + 1
    for path in folder.iterdir():
        Pillow.new("RGB", (side, side)).save(path)
    assert worth(opened(folder), "image", 1 << 30) == 0
    assert KeptPictures(opened(folder), "image", 1 << 30)[0].image("image").extent == (side, side)
