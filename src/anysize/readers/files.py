"""Files read once, although their header is wanted first and their content later."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

_SMALL = 1 << 17
"""Bytes of files that are read as a whole at once: what disks read ahead anyway."""

_HEAD = 1 << 15

LARGEST_HELD = 1 << 26
"""Bytes of files that are held at most (64 MiB); of larger ones a decoder reads what it needs."""

_KINDS = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISSOCK, "socket"),
)

_latest = threading.local()


def open_regular(path: Path) -> int:
    """A descriptor of a file, for reading.

    Pipes and devices have no end that could be known beforehand, and opening a pipe waits for
    somebody who writes.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
    """
    # Not to wait for the other side of a pipe; for files it means nothing.
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError:
        raise OSError(errno.EINVAL, "its name holds a zero byte", str(path)) from None
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "special file")
        raise OSError(errno.EINVAL, f"it is a {kind}, not a file", str(path))
    return file


def beginning(path: Path) -> tuple[bytes, bool]:
    """A file's first bytes, and whether they are all of it.

    All of a small file are kept for `content`, until the same thread asks for another file: one
    file of at most 128 KiB for each thread.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
    """
    file = open_regular(path)
    try:
        size = os.fstat(file).st_size
        if size > _SMALL:
            return os.read(file, _HEAD), False
        data = os.read(file, size + 1)
    finally:
        os.close(file)
    if len(data) != size:
        # It is growing.
        return data[:_HEAD], False
    _latest.kept = (path, data)
    return data, True


def content(path: Path, most: int) -> bytes:
    """A file, or so many bytes of it from the beginning.

    Raises:
        OSError: it cannot be read, or is no ordinary file.
    """
    kept = getattr(_latest, "kept", None)
    _latest.kept = None
    if kept is not None and kept[0] == path:
        data: bytes = kept[1]
        return data
    with os.fdopen(open_regular(path), "rb") as file:
        # Said beforehand, the room is taken once; beyond the end it would be taken in vain.
        return file.read(min(most, os.fstat(file.fileno()).st_size + 1))
