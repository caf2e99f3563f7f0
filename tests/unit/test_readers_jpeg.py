"""Markers read here say what Pillow says; rows of a cut file are those of the whole one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.windows import Box
from anysize.readers import decode as decoding
from anysize.readers import header as headers
from anysize.readers.image import Image
from anysize.readers.jpeg import read_frame
from anysize.readers.parts import read_part
from anysize.readers.reading import Reading

pytest.importorskip("simplejpeg")
pillow = pytest.importorskip("PIL.Image")


def photograph(width: int, height: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(width).integers(0, 60, (height, width, 3))
    y, x = np.mgrid[:height, :width]
    waves = 90 + 80 * np.sin(x / 9)[..., None] * np.cos(y[..., None] / np.array([7, 5, 11]))
    found: NDArray[np.uint8] = np.clip(waves + noise, 0, 255).astype(np.uint8)
    return found


def encoded(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def exif(orientation: int, *, order: str = "MM", software: str = "") -> bytes:
    found = pillow.Exif()
    found.endian = "<" if order == "II" else ">"
    found[274] = orientation
    if software:
        found[305] = software
    return bytes(found.tobytes())


KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "restarts": {"subsampling": 2, "restart_marker_blocks": 3},
    "comment": {"comment": b"made by hand"},
    "profile": {"icc_profile": bytes(5000)},
    "turned": {"exif": exif(6)},
    "little-endian": {"exif": exif(3, order="II", software="a camera")},
    "progressive": {"progressive": True},
}


def pillows(data: bytes, monkeypatch: pytest.MonkeyPatch) -> headers.Header:
    with monkeypatch.context() as patch:
        patch.setattr(headers, "read_frame", lambda _: None)
        return headers.read_header(data, "picture")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_header_says_what_pillow_says(
    kind: str, grey: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = photograph(67, 45)
    options = {key: value for key, value in KINDS[kind].items() if not grey or key != "subsampling"}
    data = encoded(pixels[..., 0] if grey else pixels, **options)
    assert read_frame(data) is not None
    assert headers.read_header(data, "picture") == pillows(data, monkeypatch)


def test_what_is_unusual_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photograph(40, 40)
    described = encoded(pixels, xmp=b'<x:xmpmeta tiff:Orientation="6"/>')
    silent = encoded(pixels, exif=exif(1, software="x").replace(b"\x01\x12", b"\x01\x13"))
    for data in (described, silent):
        assert read_frame(data) is None
        assert headers.read_header(data, "picture") == pillows(data, monkeypatch)
    for end in (3, 9, 40, 300):
        assert read_frame(encoded(pixels)[:end]) is None


def test_any_damage_of_the_markers_is_survived() -> None:
    data = encoded(photograph(40, 40), exif=exif(6))
    generator = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(data)
        for place in generator.integers(2, 700, 3):
            damaged[place] = generator.integers(256)
        frame = read_frame(bytes(damaged))
        assert frame is None or (min(frame.width, frame.height) > 0 and 1 <= frame.orientation <= 8)


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:2", "4:2:0", "comment"])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_rows_that_are_needed_are_the_whole_picture_s(kind: str, scale: float) -> None:
    image = Image(encoded(photograph(150, 203), **KINDS[kind]))
    whole = read_part(image, Box(0, 0, 150, 203), scale, scale)
    shorter = 0
    for bottom in range(1, 204, 7):
        part = read_part(image, Box(10, 0, 90, bottom), scale, scale)
        rows = int(np.ceil(bottom * scale))
        assert len(part.pixels) >= rows
        np.testing.assert_array_equal(part.pixels[:rows], whole.pixels[:rows])
        shorter += len(part.pixels) < len(whole.pixels)
    assert shorter > 20


def test_rows_are_left_out_only_where_they_come_in_order() -> None:
    for kind in ("progressive", "restarts", "turned"):
        part = read_part(Image(encoded(photograph(90, 120), **KINDS[kind])), Box(0, 0, 80, 20))
        assert part.pixels.size == 90 * 120 * 3


@pytest.mark.parametrize("left", [0.95, 0.5, 0.1])
def test_a_truncated_picture_is_told_whatever_part_is_read(left: float) -> None:
    data = encoded(photograph(150, 200))
    image = Image(data[: int(left * len(data))])
    for bottom in (10, 100, 200):
        with pytest.raises(DataError, match="truncated"):
            read_part(image, Box(0, 0, 150, bottom))


def test_damage_makes_a_part_no_different_from_the_whole() -> None:
    data = bytearray(encoded(photograph(150, 200)))
    middle = len(data) // 3
    data[middle : middle + 2] = b"\xff\xd9"
    damaged = bytes(data)
    header = headers.read_header(damaged, "a")
    with pytest.raises(DataError, match="premature end"):
        decoding.decode(damaged, header, Reading("a"))
    whole = decoding.decode(damaged, header, Reading("a", tolerant=True))
    for rows in (20, 100, 150):
        found = decoding.decode(damaged, header, Reading("a", tolerant=True), rows=rows)
        np.testing.assert_array_equal(found[:rows], whole[:rows])


def test_a_small_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    pixels = photograph(60, 50)
    path.write_bytes(encoded(pixels))
    image = Image(path)
    assert image.extent == (60, 50)
    path.unlink()
    assert read_part(image, Box(0, 0, 60, 50)).pixels.shape == (50, 60, 3)
    with pytest.raises(DataError, match="cannot be read"):
        read_part(image, Box(0, 0, 60, 50))
    path.write_bytes(encoded(pixels[:30]))
    assert Image(path).extent == (60, 30)
    path.write_bytes(encoded(pixels[:20]))
    assert Image(path).extent == (60, 20)
