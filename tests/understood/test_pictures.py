"""The lines of "Understood: pictures" in docs/data-layouts.md, each with a small file."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.examples import Example, Outputs
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.results import ErrorResult, Result
from anysize.core.windows import Box, Window
from anysize.mergers import pool
from anysize.mergers.faces import FacesMerger
from anysize.mergers.objects import ObjectMerger
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES, UNREAD_PICTURES
from anysize.readers.image import Image
from anysize.readers.orientation import ORIENTATIONS, oriented
from anysize.sources.memory import FieldSource
from anysize.tasks.image_classification import ImagePreprocess
from anysize.tasks.pages import PagedPreprocess
from anysize.windows.faces import Face, FaceWindow

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def saved(picture: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def flat(colour: Any, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Any:
    return Pillow.new(mode, size, colour)


def noise(width: int, height: int, mode: str = "RGB") -> Any:
    """Something that compresses like a photograph."""
    rng = np.random.default_rng(width * height)
    small = rng.integers(0, 255, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Pillow.fromarray(small).resize((width, height)).convert(mode)


def pages(kind: str, **options: Any) -> bytes:
    first, *others = (flat(colour) for colour in (RED, GREEN, BLUE))
    return saved(first, kind, save_all=True, append_images=others, **options)


def centre(image: Image) -> list[int]:
    found: list[int] = image.resized(5, 5)[2, 2].tolist()
    return found


def near(colour: Sequence[int], wanted: Sequence[int], tolerance: int = 6) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(colour, wanted, strict=True))


class MeanColour:
    """A model whose classes are red, green and blue: the mean of each channel is its logit."""

    name, precision = "mean", "float32"

    def run(self, examples: Sequence[Example]) -> Outputs:
        means = [example.arrays["pixels"].mean((0, 1)) / 32 for example in examples]
        return Outputs({"logits": np.array(means, np.float32)})

    def close(self) -> None: ...


def predicted(image: Image, **settings: Any) -> Result | ErrorResult:
    chosen = ImageSettings(width=16, height=16, **settings)
    (result,) = predict(
        FieldSource("image", [image]),
        [Position(0, 0)],
        PagedPreprocess(ImagePreprocess(chosen, None, 0), chosen),
        MeanColour(),
        lambda record: pool.make(record, ("red", "green", "blue"), "mean", "pixels"),
        BatchPlan(budget=16 * 16 * 4),
    )
    return result


def receipt(result: Result | ErrorResult) -> Mapping[str, Any]:
    assert isinstance(result, Result), result
    return result.receipt.to_json()


def test_picture_more_formats(tmp_path: Path) -> None:
    red, alpha = flat(RED), flat((*RED, 255), mode="RGBA")
    grey = b"P5 64 48 65535 " + np.full((48, 64), 200 * 257, ">u2").tobytes()
    files = {
        "a.avif": saved(red, "AVIF"),
        "a.jp2": saved(red, "JPEG2000"),
        "a.j2k": saved(red, "JPEG2000", no_jp2=True),
        "a.ppm": saved(red, "PPM"),
        "a.tga": saved(red, "TGA"),
        "a.ico": saved(alpha, "ICO", sizes=[(64, 48)]),
        "a.qoi": saved(alpha, "QOI"),
        "a.pcx": saved(red, "PCX"),
        "a.sgi": saved(red, "SGI"),
        "a.dds": saved(alpha, "DDS"),
        "a.bmp": saved(red, "BMP"),
        "a.webp": saved(red, "WEBP"),
    }
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert path.suffix in IMAGE_SUFFIXES
        assert Image(path).extent[0] == 64
        assert near(centre(Image(path)), RED), name
    assert near(centre(Image(grey)), (200, 200, 200))


def test_picture_format_not_read() -> None:
    heads = {
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "JPEG XL": b"\xff\x0a" + bytes(30),
        "PDF": b"%PDF-1.7\n",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    for name, data in heads.items():
        with pytest.raises(DataError, match=f"is {name}, which is not read; convert it"):
            _ = Image(data).extent
    for data, said in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"PK\3\4" + bytes(30), "a ZIP archive"),
    ):
        with pytest.raises(DataError, match=f"is no picture but .*{said}"):
            _ = Image(data).extent
    with pytest.raises(DataError, match="it ends within its header"):
        _ = Image(saved(flat(RED), "PNG")[:33]).extent
    assert {".heic", ".jxl", ".svg", ".dng"} <= UNREAD_PICTURES.keys()
    assert not UNREAD_PICTURES.keys() & IMAGE_SUFFIXES


def test_picture_wrong_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(flat(RED), "PNG"))
    assert near(centre(Image(path)), RED)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG", "AVIF"])
def test_picture_pages(kind: str) -> None:
    image = Image(pages(kind))
    found = receipt(predicted(image))
    assert found["counts"] == {"pages": 3, "pages_read": 3}
    assert (found["extent"], found["covered"], found["dropped"]) == (3 * 64 * 48, 1.0, 0)
    assert (found["windows"], found["fidelity"], found["shape"]) == (3, "approximate", (64, 48))
    assert "tile" not in found
    colours = [centre(page) for page in image.read_pages([0, 1, 2])]
    assert all(near(*pair) for pair in zip(colours, (RED, GREEN, BLUE), strict=True))


def test_picture_pages_chosen() -> None:
    first = receipt(predicted(Image(pages("TIFF")), pages="first"))
    assert first["counts"] == {"pages": 3, "pages_read": 1}
    assert (first["covered"], first["dropped"]) == (pytest.approx(1 / 3), 2 * 64 * 48)
    assert first["reason"] == "1 of 3 pages were read (--pages first)"
    two = predicted(Image(pages("GIF")), pages="2")
    assert receipt(two)["counts"] == {"pages": 3, "pages_read": 2}
    # The first and the last: red and blue alike, no green.
    assert isinstance(two, Result)
    assert two.details["probabilities"]["green"] < 0.1


def test_picture_pages_are_said(tmp_path: Path) -> None:
    from anysize import api

    for label, colour in (("a", 10), ("b", 4000)):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.tif").write_bytes(pages("TIFF"))
        deep = np.full((9, 9), colour, np.uint16)
        Pillow.fromarray(deep).save(tmp_path / label / "1.png")
    findings = {each.code: each for each in api.statistics(tmp_path).findings}
    assert (findings["picture-pages"].count, findings["picture-pages"].unit) == (6, "pages")
    assert findings["picture-samples"].count == 2


def test_picture_further(tmp_path: Path) -> None:
    from anysize import api

    views = saved(flat(RED), "MPO", save_all=True, append_images=[flat(BLUE), flat(GREEN)])
    other = saved(flat(RED), "MPO", save_all=True, append_images=[flat(BLUE)], progressive=True)
    icon = saved(flat(RED, (64, 64)), "ICO", sizes=[(16, 16), (64, 64)])
    for data, count in ((views, 2), (other, 1), (icon, 1)):
        image = Image(data)
        assert near(centre(image), RED)
        (note,) = receipt(predicted(Image(data)))["notes"]
        assert note.startswith(f"{count} further picture")
    assert "notes" not in receipt(predicted(Image(saved(flat(RED), "JPEG"))))
    for label, data in (("a", views), ("b", saved(flat(BLUE), "JPEG"))):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.jpg").write_bytes(data)
    findings = {each.code: each for each in api.statistics(tmp_path).findings}
    assert (findings["picture-further"].count, findings["picture-further"].unit) == (2, "pictures")
    assert "picture-samples" not in findings


def test_picture_pages_of_different_sizes() -> None:
    data = saved(flat(RED), "TIFF", save_all=True, append_images=[flat(BLUE, (20, 10))])
    found = receipt(predicted(Image(data)))
    assert found["extent"] == 64 * 48 + 20 * 10
    assert "shape" not in found
    assert receipt(predicted(Image(data), tiles="always"))["covered"] == 1.0


def test_picture_pages_with_boxes() -> None:
    merger = ObjectMerger("a", ("cell",))
    output = {
        "class_scores": np.array([[0.9]], np.float32),
        "boxes": np.array([[0.1, 0.1, 0.4, 0.4]], np.float32),
    }
    whole = Box(0, 0, 100, 100)
    for page in range(2):
        merger.add(Window("a", page, whole, whole, page == 1, page=page), output)
    result = merger.finish()
    assert [entry["page"] for entry in result.prediction] == [1, 2]
    assert result.receipt.extent == 2 * 100 * 100


def test_picture_pages_with_faces() -> None:
    merger = FacesMerger("a", "pixels")
    whole = Box(0, 0, 100, 100)
    for page, side in enumerate((20, 60)):
        face = Face(box=(0, 0, side, side), score=0.9)
        window = FaceWindow("a", page, whole, whole, page == 1, page=page, face=face)
        merger.add(window, {"embeddings": np.ones(4)})
    found = merger.finish().details["found"]
    assert [(entry["page"], entry["box"][2]) for entry in found] == [(2, 60), (1, 20)]


def test_picture_smaller_copies() -> None:
    large = pyvips.Image.new_from_array(np.asarray(noise(600, 500)))
    data = large.tiffsave_buffer(tile=True, pyramid=True, tile_width=64, tile_height=64)
    assert pyvips.Image.new_from_buffer(data, "").get("n-pages") > 1
    assert Image(data).pages == 1
    assert Image(data).counts() == {}


def hole(data: bytes, size: int = 200) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(size) + data[middle + size :]


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"restart_marker_blocks": 8}, {"subsampling": 0}, {"mode": "L"},
     {"mode": "CMYK"}],
    ids=str,
)  # fmt: skip
def test_picture_jpeg_with_a_hole(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    mode = options.get("mode", "RGB")
    how = {name: value for name, value in options.items() if name != "mode"}
    data = hole(saved(noise(600, 400, mode), "JPEG", quality=90, **how))
    with pytest.raises(DataError, match="damaged"):
        Image(data).resized(300, 200)
    with pytest.raises(DataError, match="damaged"):
        Image(data).part(Box(0, 0, 600, 400), 1.0, 1.0)
    monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    with pytest.raises(DataError, match="damaged"):
        list(Image(data).regions([Box(0, 0, 600, 200), Box(0, 200, 600, 400)]))
    result = predicted(Image(data))
    assert isinstance(result, ErrorResult)
    assert "damaged" in result.error


@pytest.mark.parametrize("large", [False, True])
def test_picture_damage_tolerated(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    whole = saved(noise(600, 400), "JPEG", quality=90)
    for damaged in (hole(whole), whole[: len(whole) // 2]):
        found = receipt(predicted(Image(damaged), tolerant=True))
        (note,) = found["notes"]
        assert note.startswith("damaged (")
        assert note.endswith("); read as far as possible")
    assert "notes" not in receipt(predicted(Image(whole), tolerant=True))


def test_picture_cut_off() -> None:
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM"):
        data = saved(noise(300, 200), kind)
        with pytest.raises(DataError):
            Image(data[: len(data) * 2 // 3]).resized(30, 20)


@pytest.mark.parametrize("large", [False, True])
def test_picture_filling_before_its_end(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    data = saved(noise(600, 400), "JPEG")
    expected = Image(data).resized(60, 40)
    for filling in (bytes(1000), b"\xff" * 30, b" " * 500):
        filled = data[:-2] + filling + data[-2:]
        np.testing.assert_array_equal(Image(filled).resized(60, 40), expected)


@pytest.mark.parametrize("large", [False, True])
def test_picture_header_oddities(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    data = saved(noise(600, 400), "JPEG")
    odd = data.replace(b"JFIF\0\1", b"JFIF\0\7", 1)
    assert odd != data
    np.testing.assert_array_equal(Image(odd).resized(60, 40), Image(data).resized(60, 40))
    # Behind what is harmless there may be damage.
    with pytest.raises(DataError, match="damaged"):
        Image(hole(odd)).resized(60, 40)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_picture_png_checksum() -> None:
    # Not compressed, so that nothing but the checksum shows what was changed.
    rows = b"".join(b"\0" + bytes([200, 30, 30] * 32) for _ in range(20))
    packed = zlib.compress(rows, 0)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 20, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert near(centre(Image(data)), RED)
    place = data.index(b"IDAT") + 600
    damaged = data[:place] + b"\x05" + data[place + 1 :]
    with pytest.raises(DataError, match="checksum"):
        Image(damaged).resized(4, 4)
    assert receipt(predicted(Image(damaged), tolerant=True))["notes"]


def tiff(pixels: np.ndarray, tags: Mapping[int, tuple[int, Sequence[int]]]) -> bytes:
    """A TIFF of one strip: tags of the type SHORT (3) or LONG (4)."""
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    bits = pixels.dtype.itemsize * 8
    entries: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * samples), 259: (3, [1]),
        262: (3, [2 if samples >= 3 else 1]), 273: (4, [0]), 277: (3, [samples]),
        278: (4, [height]), 279: (4, [pixels.nbytes]), **tags,
    }  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    extra, rows = b"", b""
    sizes = {3: "H", 4: "I", 11: "f"}
    for tag, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"<{len(values)}{sizes[kind]}", *values)
        if tag == 273:
            data = b"DATA"
        if len(data) > 4:
            place = start + len(extra)
            extra += data
            data = struct.pack("<I", place)
        rows += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    rows = rows.replace(b"DATA", struct.pack("<I", start + len(extra)))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + rows + bytes(4) + extra + pixels.tobytes()


def banded(bands: int, dtype: Any = np.uint8) -> np.ndarray:
    pixels = np.full((20, 30, bands), 7, dtype)
    pixels[..., :3] = RED
    return pixels


@pytest.mark.parametrize("large", [False, True])
def test_picture_bands_that_are_not_alpha(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    for bands, extra in ((4, [0]), (5, [0, 0]), (6, [0, 0, 0])):
        data = tiff(banded(bands), {338: (3, extra)})
        image = Image(data)
        assert centre(image) == list(RED)
        assert image.notes()[0].startswith(f"{bands - 3} of {bands} bands, which are neither")
    assert centre(Image(tiff(banded(4), {}))) == list(RED)
    with_alpha = Image(tiff(banded(5), {338: (3, [0, 2])}))
    centre(with_alpha)
    assert with_alpha.notes() == (
        "1 of 5 bands, which are neither colours nor alpha, are not read",
    )


@pytest.mark.parametrize("large", [False, True])
def test_picture_alpha(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    pixels = banded(4)
    pixels[..., 3] = 128
    mixed = [round((128 * value + 127 * 255) / 255) for value in RED]
    assert near(centre(Image(tiff(pixels, {338: (3, [2])}))), mixed, 1)
    # Behind a band of another meaning.
    five = np.concatenate([banded(4), pixels[..., 3:]], axis=2)
    assert near(centre(Image(tiff(five, {338: (3, [0, 2])}))), mixed, 1)
    assert near(centre(Image(saved(flat((*RED, 128), mode="RGBA"), "PNG"))), mixed, 1)


def test_picture_inks() -> None:
    inks = np.zeros((20, 30, 4), np.uint8)
    inks[..., 1:3] = 225
    inks[..., 0] = 55
    data = tiff(inks, {262: (3, [5])})
    assert near(centre(Image(data)), (200, 30, 30), 1)


@pytest.mark.parametrize("kind", ["png", "tif", "jp2"])
def test_picture_fewer_bits_than_stored(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.linspace(0, 4095, 60 * 80).reshape(60, 80).astype(np.uint16)
    path = tmp_path / f"a.{kind}"
    Pillow.fromarray(values).save(path)
    expected = (values >> 4).astype(np.uint8)
    image = Image(path)
    (found,) = image.regions([Box(0, 0, 80, 60)])
    np.testing.assert_array_equal(found[..., 0], expected)
    assert image.notes() == ("samples use 12 of 16 bits and are scaled by them",)
    # The same in parts: what decides is the whole picture.
    monkeypatch.setattr("anysize.readers.image.WHOLE_PIXELS", 0)
    monkeypatch.setattr("anysize.readers.strips.BLOCK_BYTES", 1)
    boxes = [Box(0, 0, 80, 20), Box(0, 20, 80, 60)]
    parts = np.concatenate(list(Image(path).regions(boxes)))
    np.testing.assert_array_equal(parts[..., 0], expected)
    held = Image.from_pixels(values)
    np.testing.assert_array_equal(held.resized(80, 60)[..., 0], expected)
    assert receipt(predicted(Image(path)))["notes"] == image.notes()


def test_picture_floating_point() -> None:
    for pixels, note, wanted in (
        (banded(3, np.float32) / 255, "are read as 0 to 1", RED),
        (banded(3, np.float32), "are read as 0 to 255", RED),
        (banded(3, np.float32) * 10 - 300, "are scaled to what is there", (255, 0, 0)),
    ):
        image = Image(tiff(pixels.astype(np.float32), {339: (3, [3] * 3)}))
        assert near(centre(image), wanted, 1)
        assert note in image.notes()[0]
    nothing = np.full((20, 30), np.nan, np.float32)
    some = nothing.copy()
    some[:, :20] = 0.5
    for pixels, note in ((some, "; 200 samples are no numbers"), (nothing, "all 600 samples are")):
        image = Image(tiff(pixels, {339: (3, [3])}))
        image.resized(4, 4)
        assert note in image.notes()[0]
    with pytest.raises(DataError, match="its samples have 64 bits, which are not read"):
        _ = Image(tiff(nothing.astype(np.float64), {339: (3, [3])})).extent


def test_picture_other_samples() -> None:
    red = flat(RED)
    with pytest.raises(DataError, match="space LAB"):
        _ = Image(saved(red.convert("LAB"), "TIFF")).extent
    assert near(centre(Image(saved(red.convert("YCbCr"), "TIFF"))), RED)
    assert near(centre(Image(saved(red.quantize(4), "TIFF"))), RED)
    assert near(centre(Image(saved(red.quantize(4), "PNG"))), RED)
    for kind in ("TIFF", "PNG", "BMP"):
        assert centre(Image(saved(flat(1, mode="1"), kind))) == [255, 255, 255]
    rows = b"".join(
        b"\0" + struct.pack(">4H", *(v * 257 for v in (*RED, 255))) * 8 for _ in range(8)
    )
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 6, 0, 0, 0))
    deep = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert near(centre(Image(deep)), RED, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_picture_orientation(kind: str) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = RED
    for orientation in ORIENTATIONS:
        exif = Pillow.Exif()
        exif[274] = orientation
        data = saved(Pillow.fromarray(pixels), kind, exif=exif)
        wanted = oriented(pixels, orientation)
        found = Image(data).resized(wanted.shape[1], wanted.shape[0])
        assert np.abs(found.astype(int) - wanted).mean() < 8, orientation


def test_picture_claims_a_size() -> None:
    webp = (
        b"RIFF" + struct.pack("<I", 38) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0])
    )
    webp += (16382).to_bytes(3, "little") * 2 + b"ANMF" + bytes(12)
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3) + b"," + bytes(4)
    gif += struct.pack("<HH", 65535, 65535) + b"\0\2\0;"
    png = saved(flat(RED), "PNG")
    png = png[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 1)) + png[33:]
    for data in (webp, gif, png):
        with pytest.raises(DataError):
            Image(data).resized(8, 8)


def test_picture_many_scans() -> None:
    data = saved(flat(130, (1600, 1600), "L"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:-2] + data[last:-2] * 8000 + data[-2:]
    with pytest.raises(DataError, match="scans"):
        Image(many).resized(8, 8)


def test_picture_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    for name, word in (("pipe", "named pipe"), ("endless", "device"), ("folder", "folder")):
        with pytest.raises(DataError, match=f"it is a {word}, not a file"):
            _ = Image(tmp_path / f"{name}.jpg").extent
    with pytest.raises(DataError, match="cannot be read"):
        _ = Image(tmp_path / "a\0.jpg").extent


def test_picture_tag_of_another_type() -> None:
    for tag, kind in ((256, 11), (257, 11), (322, 11), (274, 11)):
        data = tiff(banded(3), {tag: (kind, [30])})
        with pytest.raises(DataError, match="a tag that should be a whole number"):
            _ = Image(data).extent
    circle = bytearray(tiff(banded(3), {}))
    struct.pack_into("<I", circle, 8 + 2 + 12 * 9, 8)
    with pytest.raises(DataError, match="circle"):
        _ = Image(bytes(circle)).extent


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_picture_with_gigabytes_behind_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(noise(300, 200), kind))
    expected = Image(path).resized(30, 20)
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    np.testing.assert_array_equal(Image(path).resized(30, 20), expected)
