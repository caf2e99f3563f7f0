"""Decoding through Pillow: formats that are not streamed, and the frames of animations."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.files import LARGEST_HELD, content, open_regular
from anysize.readers.formats import FORMATS
from anysize.readers.header import DAMAGE, Header, open_pillow
from anysize.readers.pixels import to_rgb
from anysize.readers.reading import Reading
from anysize.readers.scaling import AS_IT_IS, Range, Scale

_HELD = ("WEBP", "AVIF")
"""Formats whose reader takes the whole file into memory anyway."""

_PIXELS = 1 << 18
_DEEP = {"I;16": np.uint16, "I;16L": np.uint16, "I;16B": np.uint16, "F": np.float32}
_CHECKED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"fdAT", b"fcTL", b"acTL")


def decode_frames(
    source: Path | bytes, header: Header, reading: Reading, numbers: Sequence[int]
) -> Iterator[NDArray[np.uint8]]:
    """Frames as uint8 RGB ``[h, w, 3]``, as stored.

    Args:
        source: the file, or its bytes.
        header: what its header says.
        reading: what messages call it.
        numbers: which frames, rising.

    Raises:
        DataError: damaged, or with samples that are not read.
    """
    try:
        with _opened(source, header) as file:
            if header.format == "PNG":
                _check_png(file)
            picture = open_pillow(file, header.format)
            for number in numbers:
                if number or header.pages > 1:
                    picture.seek(number)
                picture.load()
                if picture.size != (header.width, header.height):
                    raise ValueError(
                        f"it is {picture.size[0]}x{picture.size[1]} pixels where its header says "
                        f"{header.width}x{header.height}"
                    )
                yield _rgb(picture, reading)
    except (GeneratorExit, DataError, MissingExtraError):
        raise
    except DAMAGE as error:
        raise DataError(
            reading.origin,
            f"is a damaged or truncated {FORMATS[header.format].words} picture: {error}",
        ) from None


def _opened(source: Path | bytes, header: Header) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if header.format in _HELD or source.stat().st_size <= LARGEST_HELD // 4:
        return io.BytesIO(content(source, LARGEST_HELD))
    return os.fdopen(open_regular(source), "rb")


def _check_png(file: BinaryIO) -> None:
    """Compares the checksums of what is decoded, which Pillow leaves out; cheap beside inflating.

    Raises:
        ValueError: one is wrong.
    """
    file.seek(8)
    while True:
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        size, kind = struct.unpack(">I4s", head)
        if kind not in _CHECKED:
            file.seek(size + 4, os.SEEK_CUR)
            continue
        found = zlib.crc32(kind)
        while size and (data := file.read(min(size, 1 << 20))):
            found = zlib.crc32(data, found)
            size -= len(data)
        if size or file.read(4) != struct.pack(">I", found):
            raise ValueError(f"the checksum of a chunk {kind.decode('ascii', 'replace')} is wrong")
    file.seek(0)


def _rgb(picture: Any, reading: Reading) -> NDArray[np.uint8]:
    width, height = picture.size
    scale = _scale(picture)
    reading.note(scale.note)
    pixels = np.empty((height, width, 3), np.uint8)
    cmyk = picture.mode == "CMYK"
    for top, band in _bands(picture):
        pixels[top : top + len(band)] = to_rgb(band, cmyk, scale=scale)
    return pixels


def _scale(picture: Any) -> Scale:
    if picture.mode not in _DEEP and picture.mode != "I":
        return AS_IT_IS
    found = Range()
    for _, band in _bands(picture):
        found.add(band)
        if found.settled:
            break
    return found.scale()


def _bands(picture: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of a picture by some at a time: as a whole, each conversion would be a copy."""
    width, height = picture.size
    rows = max(_PIXELS // width, 1)
    # Whether all fit 16 bits must be the same for all bands.
    wide = picture.mode == "I" and not 0 <= min(picture.getextrema()) <= max(
        picture.getextrema()
    ) < (1 << 16)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = picture if rows >= height else picture.crop((0, top, width, bottom))
        yield top, _samples(band, wide)


def _samples(picture: Any, wide: bool) -> NDArray[Any]:
    mode = picture.mode
    if mode in _DEEP:
        return np.asarray(picture).astype(_DEEP[mode], copy=False)
    if mode == "I":
        return np.asarray(picture).astype(np.int32 if wide else np.uint16)
    keyed = "transparency" in picture.info and mode in ("1", "L", "P", "RGB")
    if keyed or mode in ("PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
    elif mode == "1":
        picture = picture.convert("L")
    elif mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        picture = picture.convert("RGB")
    return np.asarray(picture)
