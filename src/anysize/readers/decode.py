"""Decoding a whole picture that fits into memory."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.files import content
from anysize.readers.header import DAMAGE, Header, open_pillow
from anysize.readers.jpeg import cut_to_rows, read_frame, rows_to_keep
from anysize.readers.pixels import to_rgb
from anysize.readers.strips import StripReader


def decode(
    source: Path | bytes,
    header: Header,
    origin: str,
    shrink: int = 1,
    *,
    rows: int | None = None,
) -> NDArray[np.uint8]:
    """Decodes to uint8 ``[h, w, 3]`` as stored.

    Args:
        source: the file, or its bytes.
        header: what its header says.
        origin: what messages call it.
        shrink: 1, 2, 4 or 8: a JPEG may come back at ``1 / shrink`` of its size, rounded up.
        rows: of the whole picture that are needed, from the top; a JPEG may come back without
            the others, and damage there goes unnoticed. All by default.

    Raises:
        DataError: unreadable, truncated or damaged, or with samples that are not read.
    """
    try:
        data = content(source) if isinstance(source, Path) else source
    except OSError as error:
        raise DataError(origin, f"cannot be read: {error.strerror or error}") from None
    if header.format == "JPEG" and header.mode in ("RGB", "L"):
        width = -(-header.width // shrink)
        pixels = None if rows is None else _upper_rows(data, width, rows, shrink)
        if pixels is None:
            pixels = _jpeg(data, width, -(-header.height // shrink))
        if pixels is not None:
            return pixels
    if header.format == "TIFF":
        # Pillow would turn the picture while it loads it.
        reader = StripReader(data, origin, header)
        return np.concatenate(list(reader.strips()))
    return _pillow(data, header, origin)


def _jpeg(data: bytes, width: int, height: int) -> NDArray[np.uint8] | None:
    """None where the decoder complains: Pillow then tells harmless oddities from damage."""
    try:
        pixels: NDArray[np.uint8] = _simplejpeg().decode_jpeg(
            data, "RGB", min_width=width, min_height=height
        )
    except ValueError:
        return None
    return pixels


def _upper_rows(data: bytes, width: int, rows: int, shrink: int) -> NDArray[np.uint8] | None:
    """At least ``rows / shrink`` rows; None where all are as cheap, or the decoder complains."""
    frame = read_frame(data)
    # The last row looks at the next one, which at a part of the size are several.
    kept = None if frame is None else rows_to_keep(frame, rows + shrink)
    if frame is None or kept is None:
        return None
    height = -(-kept // shrink)
    pixels = np.empty((height, width, 3), np.uint8)
    try:
        _simplejpeg().decode_jpeg(
            cut_to_rows(data, frame, kept),
            "RGB",
            min_width=width,
            min_height=height,
            buffer=pixels.reshape(-1),
        )
    except ValueError as error:
        # Of several complaints this is the first: whatever came before those bytes was in order.
        return pixels if _REST.fullmatch(str(error)) else None
    return pixels


_REST = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9")


def _simplejpeg() -> Any:
    try:
        import simplejpeg
    except ImportError:
        raise MissingExtraError("simplejpeg", "vision") from None
    return simplejpeg


def _pillow(data: bytes, header: Header, origin: str) -> NDArray[np.uint8]:
    try:
        picture = open_pillow(io.BytesIO(data), header.format)
        picture.load()
    except DAMAGE as error:
        raise DataError(
            origin, f"is a damaged or truncated {header.format} picture: {error}"
        ) from None
    return to_rgb(_samples(picture, origin), cmyk=picture.mode == "CMYK")


def _samples(picture: Any, origin: str) -> NDArray[Any]:
    mode = picture.mode
    if mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16)
    if mode in ("I", "F", "LAB"):
        raise DataError(
            origin,
            f"has samples of the kind {mode!r}, whose range is not known; convert it to 8 or 16 "
            "bits a sample",
        )
    keyed = "transparency" in picture.info and mode in ("1", "L", "P", "RGB")
    if keyed or mode in ("PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
    elif mode == "1":
        picture = picture.convert("L")
    elif mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        picture = picture.convert("RGB")
    return np.asarray(picture)
