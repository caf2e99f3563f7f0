"""How large a picture may be, judged by its header, before anything is decoded."""

from __future__ import annotations

from pathlib import Path

from anysize.core.errors import DataError
from anysize.core.memory import format_size
from anysize.readers.header import Header
from anysize.readers.jpeg import count_scans

MAX_PIXELS = 10_000_000_000
"""Pixels of one picture at most: ten gigapixels."""

MAX_ROW_BYTES = 1 << 22
"""Bytes of a row of pixels at most (4 MiB): a decoder keeps some tens of them."""

MAX_TILE_BYTES = 1 << 26
"""Bytes of a tile at most (64 MiB): what is decoded at a time."""

WHOLE_PIXELS = 1 << 22
"""Pictures up to this size (4.2 megapixels, 12 MiB) are decoded at once; larger ones by strips."""

MAX_WHOLE_BYTES = 1 << 29
"""What a decoder that must hold the whole picture may take (512 MiB)."""

MAX_FRAME_PIXELS = 1 << 31
"""Pixels of all frames of an animation at most, up to the last that is read: each frame is drawn
over the one before."""


MAX_SCAN_PIXELS = 1 << 34
"""Pixels times scans of a progressive JPEG at most: each scan goes over the whole picture."""


def refuse_scans(header: Header, source: Path | bytes, origin: str) -> None:
    """Raises DataError for a progressive JPEG of so many scans that decoding takes minutes."""
    if header.format != "JPEG" or not header.whole:
        return
    scans = count_scans(source)
    if scans * header.width * header.height > MAX_SCAN_PIXELS:
        raise DataError(
            origin,
            f"is a progressive JPEG of {header.width}x{header.height} pixels in {scans} scans, "
            f"which takes too long to decode; of this size it may have "
            f"{MAX_SCAN_PIXELS // (header.width * header.height)} scans (usual are 10)",
        )


def refuse_oversize(header: Header, origin: str, most: int = MAX_PIXELS) -> None:
    """Raises DataError for a picture, or a page of one, that is too large."""
    pixels = header.width * header.height
    size = f"{header.width}x{header.height}"
    if pixels > most:
        raise DataError(
            origin,
            f"has {size} pixels, {pixels} in all; a picture may have {most} at "
            "most (a small file that claims so many is a decompression bomb)",
        )
    pixel = max(3, header.stored_pixel)
    if header.width * pixel > MAX_ROW_BYTES and not header.tile:
        raise DataError(
            origin,
            f"has {size} pixels of {pixel} bytes; a row may have {MAX_ROW_BYTES // pixel} at most, "
            "because several rows are decoded at a time; convert it to a tiled TIFF",
        )
    if header.tile and header.tile[0] * header.tile[1] * pixel > MAX_TILE_BYTES:
        raise DataError(
            origin,
            f"has tiles of {header.tile[0]}x{header.tile[1]} pixels; a tile may have "
            f"{MAX_TILE_BYTES // pixel} at most, because tiles are decoded as a whole",
        )
    if header.whole and header.needs > MAX_WHOLE_BYTES:
        raise DataError(
            origin,
            f"has {size} pixels and is of a kind ({header.kind}) whose decoder holds the whole "
            f"picture: that takes {format_size(header.needs)}, and {format_size(MAX_WHOLE_BYTES)} "
            f"({int(MAX_WHOLE_BYTES / header.pixel)} pixels) are allowed; convert it once to a "
            "tiled TIFF or a PNG without interlacing",
        )


def refuse_long(header: Header, last: int, origin: str) -> None:
    """Raises DataError for an animation whose frames up to ``last`` take too long to draw."""
    if header.format == "TIFF":
        return
    size = f"{header.width}x{header.height}"
    if header.width * header.height * (last + 1) > MAX_FRAME_PIXELS:
        raise DataError(
            origin,
            f"has {header.pages} frames of {size} pixels; frames are read up to "
            f"{MAX_FRAME_PIXELS} pixels in all: --pages first reads one of them",
        )
    if header.needs > MAX_WHOLE_BYTES // 2:
        # Several are under way at a time.
        raise DataError(
            origin,
            f"has {header.pages} frames of {size} pixels, which take "
            f"{format_size(header.needs)}, and {format_size(MAX_WHOLE_BYTES // 2)} are allowed: "
            "--pages first reads one of them",
        )
