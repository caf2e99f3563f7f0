"""Pictures of every format that is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.windows import Box
from anysize.readers.image import Image
from anysize.readers.parts import read_part
from benchmarks.fuzz.mutation import mutated_file

PROVIDES = ("pictures",)

mutated = mutated_file

_WIDTH, _HEIGHT = 61, 47
_TILE = 512


def prepare(folder: Path) -> None:
    """One file for each format and way to store."""
    for name, data in _files():
        (folder / name).write_bytes(data)


def read(path: Path) -> None:
    """All ways in which a picture is read: whole, at a part of its size, in tiles, a part."""
    image = Image(path)
    width, height = image.extent
    image.resized(64, 48)
    rows = (Box(0, top, min(_TILE, width), min(top + _TILE, height))
            for top in range(0, height, _TILE))  # fmt: skip
    for _ in image.regions(rows):
        pass
    for page in image.read_pages(range(image.pages)):
        page.resized(32, 32)
    read_part(image, Box(width // 3, height // 3, width // 3 + 1, height // 3 + 1), 0.5, 0.5)


def _files() -> Iterator[tuple[str, bytes]]:
    from PIL import Image as Pillow

    rgb = Pillow.fromarray(_pixels(3))
    large = Pillow.fromarray(_pixels(3)).resize((2600, 1700))
    grey, rgba = rgb.convert("L"), Pillow.fromarray(_pixels(4))
    frames = [rgb.rotate(angle) for angle in (0, 90, 180)]
    exif = Pillow.Exif()
    exif[274] = 6

    def saved(picture: Any, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    yield "baseline.jpg", saved(rgb, "JPEG", exif=exif)
    yield "progressive.jpg", saved(rgb, "JPEG", progressive=True)
    yield "grey.jpg", saved(grey, "JPEG")
    yield "cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG")
    yield "restarts.jpg", saved(rgb, "JPEG", restart_marker_blocks=2)
    yield "large.jpg", saved(large, "JPEG")
    yield "rgb.png", saved(rgb, "PNG")
    yield "rgba.png", saved(rgba, "PNG")
    yield "palette.png", saved(rgb.quantize(16), "PNG", transparency=0)
    yield "bits.png", saved(rgb.convert("1"), "PNG")
    yield "deep.png", saved(Pillow.fromarray(_pixels(1)[:, :, 0].astype(np.uint16) * 200), "PNG")
    yield "animated.png", saved(rgb, "PNG", save_all=True, append_images=frames[1:])
    yield "plain.tif", saved(rgb, "TIFF")
    yield "pages.tif", saved(rgb, "TIFF", save_all=True, append_images=frames[1:])
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", saved(rgb, "TIFF", compression=compression)
    yield "group4.tif", saved(rgb.convert("1"), "TIFF", compression="group4")
    yield "palette.tif", saved(rgb.quantize(16), "TIFF")
    yield "lab.tif", saved(rgb.convert("LAB"), "TIFF")
    yield "float.tif", saved(grey.convert("F"), "TIFF")
    yield "cmyk.tif", saved(rgb.convert("CMYK"), "TIFF")
    yield "tiled.tif", _tiled()
    yield "rgb.bmp", saved(rgb, "BMP")
    yield "palette.bmp", saved(rgb.quantize(16), "BMP")
    yield "lossy.webp", saved(rgb, "WEBP")
    yield "lossless.webp", saved(rgba, "WEBP", lossless=True)
    yield "animated.webp", saved(rgb, "WEBP", save_all=True, append_images=frames[1:])
    yield "one.avif", saved(rgb, "AVIF")
    yield "animated.avif", saved(rgb, "AVIF", save_all=True, append_images=frames[1:])
    yield "boxes.jp2", saved(rgb, "JPEG2000")
    yield "codestream.j2k", saved(grey, "JPEG2000", no_jp2=True)
    yield "rgb.ppm", saved(rgb, "PPM")
    yield "deep.pgm", b"P5 61 47 65535 " + _pixels(1).astype(">u2").tobytes()
    yield "words.ppm", b"P3 2 2 255 " + b"1 2 3 " * 4
    yield "float.pfm", saved(grey.convert("F"), "PPM")
    yield "rgb.tga", saved(rgb, "TGA", compression="tga_rle")
    yield "rgba.ico", saved(rgba, "ICO", sizes=[(16, 16), (32, 32)])
    yield "rgb.qoi", saved(rgba, "QOI")
    yield "rgb.pcx", saved(rgb, "PCX")
    yield "rgb.sgi", saved(rgb, "SGI")
    yield "rgb.dds", saved(rgba, "DDS")
    yield "one.gif", saved(rgb, "GIF")
    yield "animated.gif", saved(rgb, "GIF", save_all=True, append_images=frames[1:])


def _pixels(bands: int) -> Any:
    """Smooth, with an edge."""
    down, across = np.mgrid[:_HEIGHT, :_WIDTH]
    planes = [(down * (band + 2) + across * 3) % 256 for band in range(bands)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def _tiled() -> bytes:
    import pyvips

    large = pyvips.Image.new_from_array(np.tile(_pixels(3), (5, 5, 1)))
    data: bytes = large.tiffsave_buffer(tile=True, tile_width=64, tile_height=64)
    return data
