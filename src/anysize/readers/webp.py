"""What the header of a WebP says (RFC 9649), read without its decoder.

That one takes memory for the whole canvas as soon as a file is opened.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

_ALPHA, _ANIMATED = 0x10, 0x02
_MOST_FRAMES = 1 << 16
_MOST_EXIF = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The picture.

    Attributes:
        width, height: in pixels.
        alpha: whether it may be transparent.
        frames: 1, or more for an animation.
        exif: as stored; empty where there is none.
    """

    width: int
    height: int
    alpha: bool
    frames: int = 1
    exif: bytes = b""


def read(file: BinaryIO) -> Canvas:
    """Reads a header.

    Raises:
        ValueError: damaged.
    """
    head = file.read(30)
    kind = head[12:16]
    try:
        if kind == b"VP8X":
            return _extended(file, head)
        if kind == b"VP8L" and head[20] == 0x2F:
            (bits,) = struct.unpack_from("<I", head, 21)
            alpha = bool(bits >> 28 & 1)
            return Canvas(width=(bits & 0x3FFF) + 1, height=(bits >> 14 & 0x3FFF) + 1, alpha=alpha)
        if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", head, 26)
            return Canvas(width=width & 0x3FFF, height=height & 0x3FFF, alpha=False)
    except (IndexError, struct.error):
        raise ValueError("it ends within its header") from None
    raise ValueError("it holds no picture")


def _extended(file: BinaryIO, head: bytes) -> Canvas:
    flags = head[20]
    width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
    frames, exif, place = 0, b"", 12
    (total,) = struct.unpack_from("<I", head, 4)
    while place < total + 8 and frames < _MOST_FRAMES:
        file.seek(place, os.SEEK_SET)
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        kind, size = struct.unpack("<4sI", chunk)
        frames += kind == b"ANMF"
        if kind == b"EXIF" and size <= _MOST_EXIF:
            exif = file.read(size)
        place += 8 + size + size % 2
    animated = bool(flags & _ANIMATED)
    return Canvas(
        width=width,
        height=height,
        alpha=bool(flags & _ALPHA) or animated,
        frames=max(frames, 1) if animated else 1,
        exif=exif,
    )
