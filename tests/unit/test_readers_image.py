"""Pictures of every kind: regions and resizing equal the whole picture decoded at once."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers import image as reader
from anysize.readers import rows as row_store
from anysize.readers.image import Image
from anysize.readers.orientation import ORIENTATIONS
from anysize.readers.pixels import to_rgb

pillow = pytest.importorskip("PIL.Image")
pyvips = pytest.importorskip("pyvips")


def photograph(width: int = 320, height: int = 200) -> NDArray[np.uint8]:
    from sklearn.datasets import load_sample_image

    pixels: NDArray[np.uint8] = load_sample_image("china.jpg")
    return np.ascontiguousarray(pixels[50 : 50 + height, 100 : 100 + width])


def tiles(extent: tuple[int, int], tile: int, overlap: int) -> Iterator[Box]:
    width, height = extent
    for top in range(0, height, tile - overlap):
        for left in range(0, width, tile - overlap):
            yield Box(left, top, min(left + tile, width), min(top + tile, height))


def streamed(monkeypatch: pytest.MonkeyPatch, rows_in_memory: bool = True) -> None:
    """Treats every JPEG, PNG and TIFF as too large to decode at once."""
    monkeypatch.setattr(reader, "WHOLE_PIXELS", 0)
    monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", 16 * 320 * 3)
    if not rows_in_memory:
        monkeypatch.setattr(row_store, "MEMORY", 0)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    pillow.fromarray(pixels).save(path, **options)
    return path


def whole(path: Path) -> NDArray[np.uint8]:
    """The picture as Pillow shows it: an oracle that shares no code with the strips."""
    from PIL import ImageOps

    with pillow.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


FORMATS = {
    "jpg": {"quality": 90},
    "png": {},
    "tif": {},
    "bmp": {},
    "webp": {"lossless": True},
    "lzw.tif": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("strips", [False, True])
def test_every_format_gives_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, strips: bool
) -> None:
    path = save(tmp_path / f"a.{suffix}", photograph(), **FORMATS[suffix])
    if strips:
        streamed(monkeypatch)
    image = Image(path)
    assert isinstance(image, ImageField)
    assert image.extent == (320, 200)
    (found,) = image.regions([Box(0, 0, 320, 200)])
    assert found.dtype == np.uint8
    assert np.array_equal(found, whole(path))
    (from_bytes,) = Image(path.read_bytes(), "memory").regions([Box(3, 5, 100, 150)])
    assert np.array_equal(from_bytes, found[5:150, 3:100])


def test_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [pillow.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (found,) = Image(tmp_path / "a.gif").regions([Box(0, 0, 30, 20)])
    assert (found == 40).all()


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_regions_equal_the_whole_picture(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("regions")
    height, width = data.draw(st.integers(1, 120)), data.draw(st.integers(1, 700))
    pixels = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3))
    suffix = data.draw(st.sampled_from(["png", "tif"]))
    path = save(folder / f"a.{suffix}", pixels.astype(np.uint8))
    boxes = []
    top = 0
    for _ in range(data.draw(st.integers(1, 6))):
        top = data.draw(st.integers(top, height - 1))
        left = data.draw(st.integers(0, width - 1))
        bottom = data.draw(st.integers(top + 1, height))
        boxes.append(Box(left, top, data.draw(st.integers(left + 1, width)), bottom))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "WHOLE_PIXELS", 0)
        patch.setattr("anysize.readers.strips.BLOCK_BYTES", data.draw(st.integers(1, 20_000)))
        patch.setattr(row_store, "MEMORY", data.draw(st.sampled_from([0, 1 << 25])))
        for box, found in zip(boxes, Image(path).regions(iter(boxes)), strict=True):
            expected = pixels[box.top : box.bottom, box.left : box.right]
            assert np.array_equal(found, expected), box


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("strips", [False, True])
def test_orientation_is_applied(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    orientation: int,
    suffix: str,
    strips: bool,
) -> None:
    picture = pillow.fromarray(photograph(300, 140))
    exif = pillow.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95}}.get(suffix, {})
    picture.save(path, exif=exif, **options)
    if strips:
        streamed(monkeypatch)
    image = Image(path)
    expected = whole(path)
    assert image.extent == (expected.shape[1], expected.shape[0])
    for box, found in zip(
        tiles(image.extent, 64, 8), image.regions(tiles(image.extent, 64, 8)), strict=True
    ):
        assert np.array_equal(found, expected[box.top : box.bottom, box.left : box.right]), box
    width, height = image.extent
    small = image.resized(width // 4, height // 4).astype(int)
    reference = pillow.fromarray(expected).resize((width // 4, height // 4), pillow.Resampling.BOX)
    assert np.abs(small - np.asarray(reference).astype(int)).mean() < 2.5


def sixteen(bands: int) -> NDArray[np.uint16]:
    return np.random.default_rng(bands).integers(0, 65536, (40, 60, bands)).astype(np.uint16)


def vips_save(path: Path, samples: NDArray[Any], interpretation: str, **options: Any) -> Path:
    picture = pyvips.Image.new_from_array(samples, interpretation=interpretation)
    picture.write_to_file(str(path), **options)
    return path


def _kinds(folder: Path) -> dict[str, tuple[Path, NDArray[np.uint8]]]:
    """Pictures of all kinds of samples, and the RGB that the documentation promises."""
    photo = photograph(60, 40)
    grey = photo[:, :, 0]
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    white = np.rint(
        photo * (alpha[:, :, None] / 255.0) + 255 * (1 - alpha[:, :, None] / 255.0)
    ).astype(np.uint8)
    grey_white = np.rint(grey * (alpha / 255.0) + 255 * (1 - alpha / 255.0)).astype(np.uint8)
    three = sixteen(3)
    four = sixteen(4)
    one = sixteen(1)[:, :, 0]
    inks = (four >> 8).astype(np.uint8)
    paper = np.rint((255.0 - inks[:, :, :3]) * (255.0 - inks[:, :, 3:]) / 255.0).astype(np.uint8)
    bits = grey > 128
    palette = pillow.fromarray(photo).quantize(16)
    palette_rgb = np.asarray(palette.convert("RGB"))
    palette.save(folder / "palette.png")
    palette.save(folder / "clear.png", transparency=3)
    clear = palette_rgb.copy()
    clear[np.asarray(palette) == 3] = 255
    deep = np.concatenate([three, np.full((40, 60, 1), 65535, np.uint16)], axis=2)
    return {
        "grey": (save(folder / "grey.png", grey), np.repeat(grey[:, :, None], 3, axis=2)),
        "grey.tif": (save(folder / "grey.tif", grey), np.repeat(grey[:, :, None], 3, axis=2)),
        "grey and alpha": (
            save(folder / "la.png", np.dstack([grey, alpha])),
            np.repeat(grey_white[:, :, None], 3, axis=2),
        ),
        "alpha": (save(folder / "rgba.png", np.dstack([photo, alpha])), white),
        "alpha.tif": (save(folder / "rgba.tif", np.dstack([photo, alpha])), white),
        "palette": (folder / "palette.png", palette_rgb),
        "transparent palette": (folder / "clear.png", clear),
        "one bit": (
            save(folder / "bits.png", bits),
            np.repeat((bits * 255).astype(np.uint8)[:, :, None], 3, axis=2),
        ),
        "one bit.tif": (
            save(folder / "bits.tif", bits),
            np.repeat((bits * 255).astype(np.uint8)[:, :, None], 3, axis=2),
        ),
        "16-bit grey": (
            vips_save(folder / "grey16.png", one, "grey16"),
            np.repeat((one >> 8).astype(np.uint8)[:, :, None], 3, axis=2),
        ),
        "16-bit grey.tif": (
            vips_save(folder / "grey16.tif", one, "grey16"),
            np.repeat((one >> 8).astype(np.uint8)[:, :, None], 3, axis=2),
        ),
        "16-bit": (vips_save(folder / "rgb16.png", three, "rgb16"), (three >> 8).astype(np.uint8)),
        "16-bit.tif": (
            vips_save(folder / "rgb16.tif", three, "rgb16"),
            (three >> 8).astype(np.uint8),
        ),
        "16-bit alpha": (
            vips_save(folder / "rgba16.png", deep, "rgb16"),
            (three >> 8).astype(np.uint8),
        ),
        "cmyk.tif": (vips_save(folder / "cmyk.tif", inks, "cmyk"), paper),
    }


@pytest.mark.parametrize("strips", [False, True])
def test_samples_of_all_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strips: bool
) -> None:
    kinds = _kinds(tmp_path)
    if strips:
        streamed(monkeypatch)
    for name, (path, expected) in kinds.items():
        (found,) = Image(path).regions([Box(0, 0, 60, 40)])
        worst = np.abs(found.astype(int) - expected.astype(int)).max()
        assert worst <= 1, f"{name}: {worst}"


def test_cmyk_jpeg_is_alike_in_strips_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    pillow.fromarray(photograph()).convert("CMYK").save(path, quality=95)
    (at_once,) = Image(path).regions([Box(0, 0, 320, 200)])
    assert np.abs(at_once.astype(int) - photograph()).mean() < 4
    streamed(monkeypatch)
    (in_strips,) = Image(path).regions([Box(0, 0, 320, 200)])
    assert np.array_equal(at_once, in_strips)


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("size", [(37, 23), (320, 200), (400, 250), (500, 20), (10, 300), (1, 1)])
def test_resizing_equals_the_mean_by_area(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], strips: bool
) -> None:
    import cv2

    pixels = photograph()
    path = save(tmp_path / "a.png", pixels)
    if strips:
        streamed(monkeypatch)
    found = Image(path).resized(*size)
    assert found.shape == (size[1], size[0], 3)
    shrunk = cv2.resize(
        pixels, (min(size[0], 320), min(size[1], 200)), interpolation=cv2.INTER_AREA
    )
    expected = cv2.resize(shrunk, size, interpolation=cv2.INTER_LINEAR)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("strips", [False, True])
def test_a_scaled_jpeg_is_near_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strips: bool
) -> None:
    import cv2
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut())
    path = save(tmp_path / "a.jpg", pixels, quality=95)
    if strips:
        streamed(monkeypatch)
    for size in ((20, 20), (64, 48), (200, 300), (32, 100)):
        found = Image(path).resized(*size)
        expected = cv2.resize(whole(path), size, interpolation=cv2.INTER_AREA)
        assert np.abs(found.astype(int) - expected.astype(int)).mean() < 2.0, size


def _structures() -> dict[str, tuple[str, dict[str, Any]]]:
    """Ways to lay out the same pixels, as arguments of libvips' savers."""
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "png": ("png", {}),
        "interlaced": ("png", {"interlace": True}),
        "jpeg": ("jpeg", {"Q": 90}),
        "jpeg 4:4:4": ("jpeg", {"Q": 95, "subsample_mode": "off"}),
        "progressive": ("jpeg", {"interlace": True}),
        "restart": ("jpeg", {"restart_interval": 4}),
    }
    for width, height in ((16, 16), (64, 48), (240, 112), (512, 16), (1024, 512)):
        tiles = {"tile": True, "tile_width": width, "tile_height": height}
        found[f"tiles {width}x{height}"] = ("tiff", {**tiles, "compression": "deflate"})
    found["jpeg tiles"] = ("tiff", {**tiles, "compression": "jpeg", "tile_width": 256})
    return found


@pytest.mark.parametrize("structure", _structures())
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("block", [1, 40_000])
def test_every_structure_gives_its_pixels(
    monkeypatch: pytest.MonkeyPatch, structure: str, in_memory: bool, block: int
) -> None:
    pixels = np.tile(photograph(), (2, 2, 1))
    name, options = _structures()[structure]
    picture = pyvips.Image.new_from_array(pixels)
    data = getattr(picture, f"{name}save_buffer")(**options)
    expected = pyvips.Image.new_from_buffer(data, "").numpy()
    monkeypatch.setattr(reader, "WHOLE_PIXELS", 0)
    monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", block)
    if not in_memory:
        monkeypatch.setattr(row_store, "MEMORY", 0)
    image = Image(data)
    boxes = list(tiles(image.extent, 150, 20))
    for box, found in zip(boxes, image.regions(boxes), strict=True):
        assert np.array_equal(found, expected[box.top : box.bottom, box.left : box.right]), box
    small = image.resized(32, 20).astype(int)
    reference = pillow.fromarray(expected).resize((32, 20), pillow.Resampling.BOX)
    assert np.abs(small - np.asarray(reference).astype(int)).mean() < 2.5


@pytest.mark.parametrize("strip", [1, 3, 7, 16, 21, 64, 129, 400])
def test_tiff_strips_of_any_height(monkeypatch: pytest.MonkeyPatch, strip: int) -> None:
    pixels = np.tile(photograph(), (2, 1, 1))
    buffer = io.BytesIO()
    pillow.fromarray(pixels).save(
        buffer, format="TIFF", compression="tiff_adobe_deflate", tiffinfo={278: strip}
    )
    monkeypatch.setattr(reader, "WHOLE_PIXELS", 0)
    monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", 30_000)
    image = Image(buffer.getvalue())
    assert image.header.strip == strip
    boxes = list(tiles(image.extent, 150, 20))
    for box, found in zip(boxes, image.regions(boxes), strict=True):
        assert np.array_equal(found, pixels[box.top : box.bottom, box.left : box.right]), box


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_decoder_with_other_habits_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = save(tmp_path / f"a.{suffix}", photograph())
    expected = whole(path)
    monkeypatch.setattr(reader, "WHOLE_PIXELS", 0)
    monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", 1)
    monkeypatch.setattr("anysize.readers.strips.DECODER_ROWS", 10)
    boxes = list(tiles((320, 200), 64, 8))
    for box, found in zip(boxes, Image(path).regions(boxes), strict=True):
        assert np.array_equal(found, expected[box.top : box.bottom, box.left : box.right]), box


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_memory_does_not_grow_with_the_picture(
    tmp_path: Path, repository: Path, suffix: str
) -> None:
    program = """
import sys
from pathlib import Path
import cv2, simplejpeg
from anysize.core.windows import Box
from anysize.readers.image import Image
image = Image(Path(sys.argv[1]))
width, height = image.extent
boxes = [
    Box(left, top, min(left + 512, width), min(top + 512, height))
    for top in range(0, height, 480) for left in range(0, width, 480)
]
total = sum(int(pixels[0, 0, 0]) for pixels in image.regions(boxes))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""
    peaks = []
    for width, height in ((2400, 2000), (24_000, 2_000)):
        path = tmp_path / f"{width}.{suffix}"
        picture = pyvips.Image.new_from_array(photograph()).replicate(width // 320 + 1, 10)
        options = {"tile": True} if suffix == "tif" else {"compression": 1}
        picture.crop(0, 0, width, height).write_to_file(str(path), **options)
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            check=True,
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
            stdout=subprocess.PIPE,
            text=True,
        )
        peaks.append(float(done.stdout))
    # The rows of the wider one alone that its boxes need are 35 MiB.
    assert peaks[1] - peaks[0] < 25, peaks


def test_boxes_must_be_inside_and_in_order(tmp_path: Path) -> None:
    image = Image(save(tmp_path / "a.png", photograph()))
    for box in (Box(0, 0, 321, 10), Box(-1, 0, 5, 5), Box(5, 5, 5, 9), Box(0, 0, 5, 201)):
        with pytest.raises(ValueError, match="not inside the picture of 320x200"):
            list(image.regions([box]))
    with pytest.raises(ValueError, match="above the box before"):
        list(image.regions([Box(0, 9, 5, 12), Box(0, 8, 5, 12)]))
    assert list(image.regions([])) == []
    with pytest.raises(ValueError, match="at least one pixel"):
        image.resized(0, 5)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("strips", [False, True])
def test_a_truncated_file_is_an_error_not_half_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, strips: bool
) -> None:
    full = save(tmp_path / f"full.{suffix}", photograph(), **FORMATS[suffix]).read_bytes()
    if strips:
        streamed(monkeypatch)
    for part in (0.5, 0.9):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(full[: int(len(full) * part)])
        with pytest.raises(DataError, match=f"cut.{suffix}") as caught:
            list(Image(path).regions([Box(0, 0, 320, 200)]))
        assert "damaged" in caught.value.problem or "truncated" in caught.value.problem
        with pytest.raises(DataError):
            Image(path).resized(50, 50)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif", "bmp"])
def test_damage_anywhere_is_a_data_error_or_a_picture(tmp_path: Path, suffix: str) -> None:
    options = FORMATS.get(suffix, {})
    full = save(tmp_path / f"full.{suffix}", photograph(64, 48), **options).read_bytes()
    rng = np.random.default_rng(7)
    refused = set()
    for trial in range(60):
        data = bytearray(full)
        for place in rng.integers(0, min(len(data), 400 if trial % 2 else len(data)), 6):
            data[place] = rng.integers(0, 256)
        try:
            image = Image(bytes(data), "damaged", max_pixels=1 << 22)
            width, height = image.extent
            (found,) = image.regions([Box(0, 0, width, height)])
            assert found.shape == (height, width, 3)
        except DataError as error:
            refused.add(error.origin)
    assert refused == {"damaged"}


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photograph())
    path.rename(tmp_path / "a.jpg")
    image = Image(tmp_path / "a.jpg")
    assert image.header.format == "PNG"
    (found,) = image.regions([Box(0, 0, 320, 200)])
    assert np.array_equal(found, photograph())


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(DataError, match="is empty"):
        _ = Image(empty).extent
    text = tmp_path / "text.jpg"
    text.write_text("this is text")
    with pytest.raises(DataError, match="not a picture in a known format"):
        _ = Image(text).extent
    with pytest.raises(DataError, match="No such file"):
        _ = Image(tmp_path / "none.jpg").extent
    header = tmp_path / "header.png"
    header.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="PNG header"):
        _ = Image(header).extent


def bomb(width: int, height: int, interlaced: bool = False) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_decompression_bombs_are_refused_from_the_header() -> None:
    with pytest.raises(DataError, match="decompression bomb"):
        _ = Image(bomb(200_000, 100_000)).extent
    with pytest.raises(DataError, match="a row may have"):
        _ = Image(bomb(30_000_000, 4)).extent
    with pytest.raises(DataError, match=r"interlaced PNG.*tiled TIFF"):
        _ = Image(bomb(20_000, 20_000, interlaced=True)).extent
    with pytest.raises(DataError, match="100 at most"):
        _ = Image(bomb(20, 20), max_pixels=100).extent
    # Ten gigapixels are allowed to be claimed; that there is nothing shows at the first strip.
    large = Image(bomb(100_000, 100_000))
    assert large.extent == (100_000, 100_000)
    with pytest.raises(DataError, match="damaged or truncated"):
        next(large.regions([Box(0, 0, 8, 8)]))


def test_complex_samples_are_refused_by_name(tmp_path: Path) -> None:
    import pyvips

    path = tmp_path / "a.tif"
    pyvips.Image.new_from_array(np.ones((20, 30), np.complex64)).write_to_file(str(path))
    with pytest.raises(DataError, match="complex numbers"):
        Image(path).resized(5, 5)


def test_pixels_in_memory() -> None:
    pixels = photograph()
    image = Image.from_pixels(pixels, "array")
    assert image.extent == (320, 200)
    (found,) = image.regions([Box(10, 20, 30, 50)])
    assert np.array_equal(found, pixels[20:50, 10:30])
    found[:] = 0
    (again,) = image.regions([Box(10, 20, 30, 50)])
    assert np.array_equal(again, pixels[20:50, 10:30])
    assert Image.from_pixels(pixels[:, :, 0]).resized(4, 4).shape == (4, 4, 3)
    for wrong in (pixels.astype(np.float32), pixels[0, 0], np.zeros((4, 4, 7), np.uint8)):
        with pytest.raises(DataError, match="must be uint8 or uint16"):
            Image.from_pixels(wrong)
    with pytest.raises(DataError, match="has no pixels"):
        Image.from_pixels(np.zeros((0, 4, 3), np.uint8))


def test_a_broken_orientation_means_upright(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pillow.fromarray(photograph()).save(buffer, format="JPEG", exif=b"Exif\0\0garbage")
    assert Image(buffer.getvalue()).extent == (320, 200)


def test_fields_survive_pickling(tmp_path: Path) -> None:
    image = Image(save(tmp_path / "a.png", photograph()))
    again = pickle.loads(pickle.dumps(image))  # noqa: S301  what workers do with fields
    assert np.array_equal(again.resized(9, 9), image.resized(9, 9))
    assert repr(again) == repr(image)


def test_orientations_are_those_of_pillow() -> None:
    from PIL import ImageOps

    from anysize.readers.orientation import oriented

    pixels = photograph(9, 5)
    for value in ORIENTATIONS:
        picture = pillow.fromarray(pixels)
        picture.getexif()[274] = value
        assert np.array_equal(oriented(pixels, value), np.asarray(ImageOps.exif_transpose(picture)))


def test_white_lies_under_transparency() -> None:
    samples = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 128]]], dtype=np.uint8)
    assert to_rgb(samples).tolist() == [[[255, 255, 255], [10, 20, 30], [127, 127, 127]]]
