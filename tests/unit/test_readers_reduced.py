"""Pictures read by region at a part of their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from anysize.core.windows import Box
from anysize.modalities.pictures.settings import ImageSettings
from anysize.readers import image as reader
from anysize.readers.image import Image
from anysize.readers.reduced import reduced
from anysize.tasks.detection_windows import as_input, views

WIDTH, HEIGHT = 301, 187


def blobs(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A smooth picture, so that a JPEG's own errors are small."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(x / 17 + 1) + np.cos(y / 13),
        np.cos(x / 23) + np.sin(y / 11),
        np.sin((x + y) / 19),
    ]
    return np.clip(128 + 50 * np.stack(waves, 2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize(("room", "factor"), [(3.9, 1), (4.1, 2), (9.0, 4), (40.0, 8)])
def test_a_reduced_jpeg_shows_what_its_boxes_say(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    orientation: int,
    strips: bool,
    room: float,
    factor: int,
) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    path = tmp_path / "a.jpg"
    Pillow.fromarray(blobs()).save(path, quality=97, subsampling=0, exif=exif)
    with Pillow.open(path) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture)).astype(float)
    if strips:
        monkeypatch.setattr(reader, "WHOLE_PIXELS", 0)
        monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", 1)
    found = reduced(Image(path), room)
    assert found.factor == factor
    width, height = found.extent
    assert found.box(Box(0, 0, width, height)) == Box(0, 0, shown.shape[1], shown.shape[0])
    boxes = [
        Box(0, 0, width, height),
        Box(3, 2, width, height // 2),
        Box(width // 2, 5, width, height),
    ]
    for box, pixels in zip(boxes, found.regions(boxes), strict=True):
        assert pixels.shape == (box.height, box.width, 3)
        for row, column in (
            (0, 0),
            (box.height - 1, box.width - 1),
            (box.height // 2, box.width // 3),
        ):
            one = found.box(
                Box(box.left + column, box.top + row, box.left + column + 1, box.top + row + 1)
            )
            expected = shown[one.top : one.bottom, one.left : one.right].mean((0, 1))
            # The last pixel may show a little less than its box, where sizes were rounded down.
            assert np.abs(pixels[row, column] - expected).max() < 6 + 1.5 * factor


@pytest.mark.parametrize("content", ["a.png", "pixels"])
def test_what_cannot_be_decoded_smaller_stays(tmp_path: Path, content: str) -> None:
    pixels = blobs()
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    image = Image.from_pixels(pixels) if content == "pixels" else Image(tmp_path / content)
    found = reduced(image, 40.0)
    assert (found.factor, found.extent) == (1, (WIDTH, HEIGHT))
    box = Box(5, 7, 100, 90)
    assert found.box(box) == box
    (part,) = found.regions([box])
    assert np.array_equal(part, pixels[7:90, 5:100])


@pytest.mark.parametrize("tile", [64, 131, 300])
@pytest.mark.parametrize("size", [(997, 803), (641, 1203)])
def test_reduced_tiles_own_the_picture_once(
    tmp_path: Path, tile: int, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.jpg"
    pixels = blobs(*size)
    Pillow.fromarray(pixels).save(path, quality=97, subsampling=0)
    settings = ImageSettings(width=32, height=32, tile=tile, overlap=tile // 5)
    owned = np.zeros((size[1], size[0]), int)
    _, *laid = views(Image(path), settings)
    for view in laid:
        core, part = view.core, view.part
        owned[core.top : core.bottom, core.left : core.right] += 1
        assert part.left <= core.left and core.right <= part.right <= size[0]
        assert part.top <= core.top and core.bottom <= part.bottom <= size[1]
        seen = as_input(view, settings)[: 32 * part.height // view.region.height]
        meant = pixels[part.top : part.bottom, part.left : part.right].mean((0, 1))
        assert np.abs(seen.mean((0, 1)) - meant).max() < 3
    assert (owned == 1).all()
    assert [view.last for view in laid] == [False] * (len(laid) - 1) + [True]
