"""Decoding a whole picture that fits into memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.complaints import is_damage, is_filling
from anysize.readers.files import LARGEST_HELD, content
from anysize.readers.header import Header
from anysize.readers.holes import HOLE, has_hole
from anysize.readers.jpeg import cut_to_rows, read_frame, rows_to_keep
from anysize.readers.limits import refuse_scans
from anysize.readers.pillow import decode_frames
from anysize.readers.reading import Reading
from anysize.readers.strips import StripReader

_LARGE = 1 << 26
"""Bytes above which decoders that hold the whole picture run one at a time (64 MiB)."""

_one_large = threading.Lock()


@contextmanager
def room_for(header: Header) -> Iterator[None]:
    """Waits until no other large picture is held by its decoder, where this one is large."""
    if header.whole and header.needs > _LARGE:
        with _one_large:
            yield
    else:
        yield


def decode(
    source: Path | bytes,
    header: Header,
    reading: Reading,
    shrink: int = 1,
    *,
    rows: int | None = None,
) -> NDArray[np.uint8]:
    """Decodes to uint8 ``[h, w, 3]`` as stored.

    Args:
        source: the file, or its bytes.
        header: what its header says.
        reading: what messages call it, and how damage is taken.
        shrink: 1, 2, 4 or 8: a JPEG may come back at ``1 / shrink`` of its size, rounded up.
        rows: of the whole picture that are needed, from the top; a JPEG may come back without
            the others, and damage there goes unnoticed. All by default.

    Raises:
        DataError: unreadable, truncated or damaged, or with samples that are not read.
    """
    if header.format == "JPEG" and header.mode in ("RGB", "L"):
        data = _held(source, reading)
        if len(data) < LARGEST_HELD:
            return _jpeg(data, header, reading, shrink, rows)
    if header.format in ("TIFF", "JPEG") or (header.format == "PNG" and header.deep):
        # Pillow would turn a TIFF while it loads it, and take the upper bits of a deep PNG.
        return _by_strips(source, header, reading, shrink)
    try:
        return next(decode_frames(source, header, reading, [0]))
    except DataError as error:
        complaint = error.problem.partition(": ")[2] or error.problem
        if header.format != "PNG" or not reading.forgiven(complaint):
            raise
        return _by_strips(source, header, reading, shrink)


def _held(source: Path | bytes, reading: Reading) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return content(source, LARGEST_HELD)
    except OSError as error:
        raise DataError(reading.origin, f"cannot be read: {error.strerror or error}") from None


def _jpeg(
    data: bytes, header: Header, reading: Reading, shrink: int, rows: int | None
) -> NDArray[np.uint8]:
    refuse_scans(header, data, reading.origin)
    width, height = -(-header.width // shrink), -(-header.height // shrink)
    if rows is not None:
        upper = _upper_rows(data, width, rows, shrink)
        if upper is not None:
            return upper
    decoder = _simplejpeg()
    try:
        pixels: NDArray[np.uint8] = decoder.decode_jpeg(
            data, "RGB", min_width=width, min_height=height
        )
    except ValueError as error:
        complaint = str(error)
    else:
        if has_hole(data) and not reading.forgiven(HOLE):
            raise reading.damaged(HOLE)
        return pixels
    if is_damage(complaint):
        filling = is_filling(data, complaint)
        if not filling and not reading.forgiven(complaint):
            raise reading.damaged(complaint)
        try:
            pixels = decoder.decode_jpeg(
                data, "RGB", min_width=width, min_height=height, strict=False
            )
        except ValueError:
            pass
        else:
            return pixels
    # Of a kind that this decoder does not know, or odd; or damaged in a way that stops it.
    return _by_strips(data, header, reading, shrink)


def _by_strips(
    source: Path | bytes, header: Header, reading: Reading, shrink: int
) -> NDArray[np.uint8]:
    reader = StripReader(source, reading, header, shrink)
    # Sides are rounded down there.
    width, height = -(-header.width // shrink), -(-header.height // shrink)
    pixels = np.empty((height, width, 3), np.uint8)
    for top, left, block in reader.blocks():
        pixels[top : top + len(block), left : left + block.shape[1]] = block
    pixels[reader.height :] = pixels[reader.height - 1 : reader.height]
    pixels[:, reader.width :] = pixels[:, reader.width - 1 : reader.width]
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
        return pixels if str(error).endswith("extraneous bytes before marker 0xd9") else None
    return pixels


def _simplejpeg() -> Any:
    try:
        import simplejpeg
    except ImportError:
        raise MissingExtraError("simplejpeg", "vision") from None
    return simplejpeg
