"""Animations: how many frames a file holds, counted without decoding any of them.

GIF89a (CompuServe, 1990) and PNG with its chunks for animation (W3C, third edition).
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21
_MOST = 1 << 16


def count_frames(file: BinaryIO, name: str) -> int:
    """Frames of a GIF or PNG, at most 65,536; of one that is cut off those that begin.

    Args:
        file: from its beginning to its end.
        name: ``GIF`` or ``PNG``.
    """
    file.seek(0)
    return _gif(file) if name == "GIF" else _png(file)


def _gif(file: BinaryIO) -> int:
    head = file.read(13)
    if len(head) == 13 and head[10] & 0x80:
        file.seek(3 << ((head[10] & 7) + 1), os.SEEK_CUR)
    count = 0
    while count < _MOST:
        kind = file.read(1)
        if kind == bytes([_GIF_IMAGE]):
            count += 1
            about = file.read(9)
            if len(about) < 9:
                break
            if about[8] & 0x80:
                file.seek(3 << ((about[8] & 7) + 1), os.SEEK_CUR)
            file.seek(1, os.SEEK_CUR)
        elif kind == bytes([_GIF_EXTENSION]):
            file.seek(1, os.SEEK_CUR)
        else:
            break
        while size := file.read(1)[:1].strip(b"\0"):
            file.seek(size[0], os.SEEK_CUR)
    return count


def _png(file: BinaryIO) -> int:
    file.seek(8)
    count = 0
    begun = False
    while count < _MOST:
        head = file.read(8)
        if len(head) < 8:
            break
        size, kind = struct.unpack(">I4s", head)
        if kind == b"fcTL":
            count += 1
        elif kind == b"IDAT" and not begun:
            # A picture before the first frame's control is one beside the animation.
            begun, count = True, max(count, 1)
        elif kind == b"IEND":
            break
        file.seek(size + 4, os.SEEK_CUR)
    return count
