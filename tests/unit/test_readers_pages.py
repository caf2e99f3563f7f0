"""Pages as windows of one record; holes that decoders do not notice."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.modalities.pictures.settings import ImageSettings
from anysize.planning.options import PredictOptions
from anysize.readers.holes import has_hole
from anysize.readers.image import Image
from anysize.readers.pages import chosen_pages
from anysize.tasks.image_classification import ImagePreprocess
from anysize.tasks.pages import PagedPreprocess


def tiff(*sizes: tuple[int, int]) -> bytes:
    rng = np.random.default_rng(len(sizes))
    first, *others = (
        Pillow.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    )
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=others)
    return file.getvalue()


def windows(image: Image, target: Any = None, **settings: Any) -> list[Example]:
    chosen = ImageSettings(width=16, height=16, **settings)
    annotated = target is not None
    paged = PagedPreprocess(ImagePreprocess(chosen, None, 0), chosen, annotated=annotated)
    return list(paged(7, Record(id="a", fields={"image": image}, target=target)))


def test_pages_are_chosen_evenly() -> None:
    for count in range(1, 40):
        assert chosen_pages(count, "all") == list(range(count))
        assert chosen_pages(count, "first") == [0]
        for most in range(1, 45):
            chosen = chosen_pages(count, str(most))
            assert len(chosen) == min(most, count)
            assert chosen[0] == 0
            assert most == 1 or chosen[-1] == count - 1
            assert max(np.diff(chosen), default=1) - min(np.diff(chosen), default=1) <= 1


@pytest.mark.parametrize("wish", ["none", "0", "-1", "1.5", "", "²"])
def test_other_wishes_are_refused(wish: str) -> None:
    with pytest.raises(ConfigurationError, match="pages must be all, first or a number"):
        PredictOptions(pages=wish)
    with pytest.raises(ConfigurationError, match="pages must be"):
        ImageSettings(width=8, height=8, pages=wish)


def test_windows_of_pages_are_those_of_each_page_alone() -> None:
    data = tiff((40, 40), (16, 10), (33, 50))
    alone = [
        example
        for page in Image(data).read_pages([0, 1, 2])
        for example in windows(Image.from_pixels(page.resized(*page.extent)), tiles="always")
    ]
    together = windows(Image(data), tiles="always")
    assert len(together) == len(alone) > 6
    for index, (one, other) in enumerate(zip(together, alone, strict=True)):
        np.testing.assert_array_equal(one.arrays["pixels"], other.arrays["pixels"])
        assert (one.window.region, one.window.core) == (other.window.region, other.window.core)
        assert (one.window.record, one.window.index, one.ordinal) == ("a", index, 7)
        assert one.window.last == (one is together[-1])
    assert [example.window.page for example in together] == sorted(
        example.window.page for example in together
    )


def test_annotations_are_of_the_first_page() -> None:
    (only,) = windows(Image(tiff((20, 20), (30, 30))), target=())
    assert (only.window.page, only.window.outside) == (0, 900)
    assert only.facts is not None
    assert only.facts.reason == "1 of 2 pages were read: annotations are of the first page"


def test_a_damaged_page_ends_a_tolerant_reading() -> None:
    data = bytearray(tiff((20, 20), (24, 24), (28, 28)))
    image = Image(bytes(data))
    directories = image.header.directories
    # The second page claims an impossible size.
    place = bytes(data).index((24).to_bytes(4, "little"), 20 * 20 * 3)
    data[place : place + 4] = (1 << 30).to_bytes(4, "little")
    assert len(directories) == 3
    with pytest.raises(DataError):
        windows(Image(bytes(data)))
    found = windows(Image(bytes(data)), tolerant=True)
    assert [example.window.page for example in found] == [0]
    assert found[-1].window.last
    assert found[-1].facts is not None
    assert "the next one is damaged" in str(found[-1].facts.reason)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_no_whole_picture_has_a_hole(mode: str, optimize: bool, progressive: bool) -> None:
    rng = np.random.default_rng(0)
    pictures = [
        Pillow.new("RGB", (700, 500), colour) for colour in ("black", "white", (3, 99, 200))
    ]
    slope = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 200, 1))
    pictures.append(Pillow.fromarray(np.repeat(slope, 3, axis=2)))
    lines = np.full((600, 400, 3), 255, np.uint8)
    lines[rng.integers(0, 600, 30)] = 0
    pictures.append(Pillow.fromarray(lines))
    for picture in pictures:
        for options in (
            {"quality": 20},
            {"quality": 95},
            {"subsampling": 0},
            {"comment": bytes(99)},
        ):
            file = io.BytesIO()
            picture.convert(mode).save(
                file, "JPEG", optimize=optimize, progressive=progressive, **options
            )
            assert not has_hole(file.getvalue())
            assert not has_hole(file.getvalue() + bytes(500))


def test_a_hole_that_its_decoder_does_not_notice() -> None:
    rng = np.random.default_rng(1)
    small = rng.integers(0, 255, (100, 150, 3), dtype=np.uint8)
    missed = 0
    for quality in range(60, 96, 3):
        file = io.BytesIO()
        Pillow.fromarray(small).resize((600, 400)).save(file, "JPEG", quality=quality)
        data = file.getvalue()
        damaged = data[: len(data) // 2] + bytes(200) + data[len(data) // 2 + 200 :]
        assert has_hole(damaged)
        try:
            import simplejpeg

            simplejpeg.decode_jpeg(damaged)
            missed += 1
        except ValueError:
            pass
        with pytest.raises(DataError, match="damaged"):
            Image(damaged).resized(60, 40)
    assert missed
