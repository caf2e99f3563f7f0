"""Decoding a whole picture that fits into memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.header import DAMAGE, Header, open_pillow
from anysize.readers.pixels import to_rgb
from anysize.readers.strips import StripReader


def decode(
    content: Path | bytes, header: Header, origin: str, shrink: int = 1
) -> NDArray[np.uint8]:
    """Decodes to uint8 ``[h, w, 3]`` as stored.

    A JPEG may come back at ``1 / shrink`` of its size (2, 4 or 8, rounded up).

    Raises:
        DataError: unreadable, truncated or damaged, or with samples that are not read.
    """
    try:
        data = content.read_bytes() if isinstance(content, Path) else content
    except OSError as error:
        raise DataError(origin, f"cannot be read: {error.strerror or error}") from None
    if header.format == "JPEG" and header.mode in ("RGB", "L"):
        pixels = _jpeg(data, -(-header.width // shrink), -(-header.height // shrink))
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
        import simplejpeg
    except ImportError:
        raise MissingExtraError("simplejpeg", "vision") from None
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_width=width, min_height=height
        )
    except ValueError:
        return None
    return pixels


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
