"""Reading only what an augmentation needs gives what reading everything gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anysize.augmentation.image import Augmentation
from anysize.augmentation.sample import Targets
from anysize.core.windows import Box
from anysize.readers import image as reader
from anysize.readers.image import Image
from anysize.readers.orientation import ORIENTATIONS, oriented
from anysize.readers.parts import read_part

pytest.importorskip("cv2")
pytest.importorskip("pyvips")
pillow = pytest.importorskip("PIL.Image")


def smooth(width: int, height: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width] / max(width, height)
    planes = [127 + 110 * np.sin(9 * x + 5 * k * y) * np.cos(7 * y - k) for k in range(3)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


def encoded(pixels: NDArray[np.uint8], kind: str, orientation: int = 1) -> bytes:
    buffer = io.BytesIO()
    exif = pillow.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    pillow.fromarray(pixels).save(buffer, kind, exif=exif.tobytes(), **options)
    return buffer.getvalue()


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


SPECS = [
    "imagenet",
    "standard",
    "rotate(±30), scale(0.8..1.2), crop(48), hflip",
    "crop(40)",
    "blur",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_picture_without_loss_comes_out_the_same(
    spec: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        monkeypatch.setattr(reader, "WHOLE_PIXELS", 1)
    source = smooth(83, 61)
    image = Image(encoded(source, "PNG"))
    augmentation = Augmentation(spec)
    for epoch in range(6):
        draw = (0, epoch, "a", 0)
        whole = augmentation(source, draw, size=(48, 48))
        read = augmentation.read(image, draw, size=(48, 48)).pixels
        if streamed and epoch and spec in ("imagenet", "standard", "blur"):
            assert psnr(read, whole) > 38
        else:
            np.testing.assert_array_equal(read, whole)


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
@pytest.mark.parametrize("streamed", [False, True])
def test_parts_lie_where_they_say(
    orientation: int, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        monkeypatch.setattr(reader, "WHOLE_PIXELS", 1)
    stored = smooth(331, 203)
    image = Image(encoded(stored, "JPEG", orientation))
    shown = oriented(stored, orientation)
    height, width = shown.shape[:2]
    for scale in (1.0, 0.5, 0.3, 0.13):
        box = Box(41, 33, 171, 161)
        part = read_part(image, box, scale, scale)
        rows, columns = part.pixels.shape[:2]
        assert part.extent == (width, height)
        # It covers the box.
        assert part.left <= box.left
        assert part.top <= box.top
        assert part.left + columns / part.across >= min(box.right, width) - 1e-6
        assert part.top + rows / part.down >= min(box.bottom, height) - 1e-6
        assert part.across >= min(scale, 1) - 1e-9
        # Each pixel is about the picture's at the place that it says.
        x = part.left + (np.arange(columns) + 0.5) / part.across
        y = part.top + (np.arange(rows) + 0.5) / part.down
        inside_x = (x > 8) & (x < width - 8)
        inside_y = (y > 8) & (y < height - 8)
        expected = shown[np.ix_(y[inside_y].astype(int), x[inside_x].astype(int))]
        found = part.pixels[np.ix_(inside_y, inside_x)]
        assert np.abs(found.astype(int) - expected).mean() < 4


def test_a_jpeg_is_decoded_as_coarse_as_the_result_allows() -> None:
    image = Image(encoded(smooth(1000, 800), "JPEG"))
    box = Box(0, 0, 1000, 800)
    for scale, expected in (
        (1.0, 1),
        (0.6, 1),
        (0.5, 2),
        (0.26, 2),
        (0.25, 4),
        (0.1, 8),
        (0.01, 8),
    ):
        assert read_part(image, box, scale, scale / 2).across == 1 / expected


@pytest.mark.parametrize(
    "spec", ["imagenet", "standard", "rotate(±20), random_resized_crop, hflip"]
)
def test_scaled_decoding_shows_the_same(spec: str) -> None:
    source = smooth(900, 700)
    image = Image(encoded(source, "JPEG"))
    augmentation = Augmentation(spec)
    boxes = np.array([[100.0, 100, 400, 500], [500, 50, 850, 300]])
    for epoch in range(4):
        draw = (1, epoch, "a", 0)
        whole = augmentation.apply(source, draw, Targets(boxes=boxes), size=(64, 56))
        read = augmentation.read(image, draw, Targets(boxes=boxes), size=(64, 56))
        assert psnr(read.pixels, whole.pixels) > 36
        np.testing.assert_array_equal(read.boxes, whole.boxes)
        np.testing.assert_array_equal(read.matrix, whole.matrix)


def test_pictures_of_other_kinds_are_read_by_region() -> None:
    source = smooth(90, 70)

    class Plain:
        origin = "plain"
        extent = (90, 70)

        def resized(self, width: int, height: int) -> NDArray[np.uint8]:
            raise AssertionError

        def regions(self, boxes: Any) -> Any:
            for box in boxes:
                yield source[box.top : box.bottom, box.left : box.right].copy()

    image = Plain()
    assert not hasattr(image, "part")
    augmentation = Augmentation("rotate(±30), crop(32)")
    for epoch in range(4):
        draw = (0, epoch, "a", 0)
        np.testing.assert_array_equal(
            augmentation.read(image, draw).pixels, augmentation(source, draw)
        )


def test_a_large_picture_is_not_held(tmp_path: Path) -> None:
    """The part of a picture of 48 megapixels that a crop sees is no larger than the crop needs."""
    pixels = np.zeros((6000, 8000, 3), dtype=np.uint8)
    pixels[::7] = 90
    path = tmp_path / "large.png"
    pillow.fromarray(pixels).save(path, compress_level=1)
    part = read_part(Image(path), Box(1000, 500, 7000, 5500), 0.03, 0.03)
    assert part.pixels.size < 1_000_000
