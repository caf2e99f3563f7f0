"""The centre of a picture: the arithmetic of ImageNet's evaluation, and pictures of odd shapes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.windows import Box
from anysize.readers.centre import read_centre
from anysize.readers.image import Image


def ramp(width: int, height: int) -> np.ndarray:
    """Red tells the column and green the row, in parts of the picture."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.rint(np.linspace(0, 255, width))[None, :]
    pixels[..., 1] = np.rint(np.linspace(0, 255, height))[:, None]
    return pixels


def test_the_standard_evaluation_resizes_to_256_and_cuts_224() -> None:
    image = Image.from_pixels(ramp(512, 384))
    pixels, box = read_centre(image, 224, 224, 0.875)
    whole = image.resized(341, 256)
    np.testing.assert_array_equal(pixels, whole[16:240, 58:282])
    assert pixels.flags.c_contiguous
    assert box == Box(87, 24, 423, 360)
    assert (box.width, box.height) == (336, 336)  # 0.875 of the shorter side


def test_a_crop_of_one_reads_the_largest_part_of_the_input_s_shape() -> None:
    _, box = read_centre(Image.from_pixels(ramp(300, 100)), 50, 50, 1.0)
    assert box == Box(100, 0, 200, 100)
    _, box = read_centre(Image.from_pixels(ramp(300, 100)), 60, 20, 1.0)
    assert box == Box(0, 0, 300, 100)


@pytest.mark.parametrize("size", [(4000, 60), (60, 4000), (900, 8)])
def test_long_pictures_are_not_resized_as_a_whole(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = Image.resized
    monkeypatch.setattr(
        Image, "resized", lambda self, w, h: asked.append((w, h)) or original(self, w, h)
    )
    pixels, box = read_centre(Image.from_pixels(ramp(*size)), 32, 32, 0.875)
    assert not asked
    assert pixels.shape == (32, 32, 3)
    red, green = pixels[..., 0].astype(int), pixels[..., 1].astype(int)
    for values, start, length, whole in (
        (red[16], box.left, box.width, size[0]),
        (green[:, 16], box.top, box.height, size[1]),
    ):
        expected = 255 * (start + (np.arange(32) + 0.5) * length / 32) / whole
        assert np.abs(values - expected).max() < 255 / min(size) + 2


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    from anysize.core.errors import DataError

    stream = io.BytesIO()
    Pillow.fromarray(ramp(64, 64)).save(stream, "PNG")
    path = tmp_path / "x.png"
    path.write_bytes(stream.getvalue()[:150])
    with pytest.raises(DataError, match=r"x\.png"):
        read_centre(Image(path), 8, 8, 0.875)


@given(
    extent=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    size=st.tuples(st.integers(16, 64), st.integers(16, 64)),
    crop=st.floats(0.05, 1.0),
)
def test_the_box_is_inside_and_central(
    extent: tuple[int, int], size: tuple[int, int], crop: float
) -> None:
    image = Image.from_pixels(np.zeros((extent[1], extent[0], 3), dtype=np.uint8))
    pixels, box = read_centre(image, *size, crop)
    assert pixels.shape == (size[1], size[0], 3)
    assert 0 <= box.left < box.right <= extent[0]
    assert 0 <= box.top < box.bottom <= extent[1]
    scale = max(size[0] / extent[0], size[1] / extent[1]) / crop
    # Half a pixel of the resized whole on either side, its own rounding, and that of the box.
    slack = 2 / scale + 2
    assert abs(box.left + box.right - extent[0]) <= slack
    assert abs(box.top + box.bottom - extent[1]) <= slack
    assert abs(box.width - size[0] / scale) <= slack
