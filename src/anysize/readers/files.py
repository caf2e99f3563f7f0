"""Files read once, although their header is wanted first and their content later."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_SMALL = 1 << 17
"""Bytes of files that are read as a whole at once: what disks read ahead anyway."""

_HEAD = 1 << 15

_latest = threading.local()


def beginning(path: Path) -> tuple[bytes, bool]:
    """A file's first bytes, and whether they are all of it.

    All of a small file are kept for `content`, until the same thread asks for another file: one
    file of at most 128 KiB for each thread.

    Raises:
        OSError: it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        if size > _SMALL:
            return os.read(file, _HEAD), False
        data = os.read(file, size + 1)
    finally:
        os.close(file)
    if len(data) != size:
        # It is growing, or not a file that has a size.
        return path.read_bytes(), True
    _latest.kept = (path, data)
    return data, True


def content(path: Path) -> bytes:
    """All of a file.

    Raises:
        OSError: it cannot be read.
    """
    kept = getattr(_latest, "kept", None)
    _latest.kept = None
    if kept is not None and kept[0] == path:
        data: bytes = kept[1]
        return data
    return path.read_bytes()
