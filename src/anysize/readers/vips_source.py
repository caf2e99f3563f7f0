"""What libvips decodes from: a file or bytes, and how much of it was taken.

libjpeg says nothing of bytes that are left when all rows are there, although they show that rows
in the middle are missing, and libvips does not ask. So near its end a JPEG is given to it in small
pieces.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from anysize.readers.complaints import is_one_value
from anysize.readers.files import open_regular
from anysize.readers.holes import LONGEST, scan_of_few_zeros

_PIECE = 64
_TAIL = 1 << 17
_SLACK = 16
"""Bytes that a decoder takes ahead."""

_LOOKED_THROUGH = 1 << 20
_HEAD = 1 << 17


def plain_source(vips: Any, content: Path | bytes) -> Any:
    """A source of any format. Never by name: libvips takes brackets in one for options.

    Raises:
        OSError: the file cannot be opened.
    """
    if isinstance(content, bytes):
        return vips.Source.new_from_memory(content)
    file = open_regular(content)
    try:
        return vips.Source.new_from_descriptor(file)
    finally:
        os.close(file)


class WatchedSource:
    """A source that knows how far it was read.

    Args:
        vips: the binding.
        content: a file or its bytes.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, vips: Any, content: Path | bytes) -> None:
        self._file = -1
        self._data = b""
        if isinstance(content, bytes):
            self._data, self._size = content, len(content)
        else:
            self._file = open_regular(content)
            self._size = os.fstat(self._file).st_size
        self._place = 0
        self._scan = scan_of_few_zeros(self._at(0, _HEAD))
        self._last = b""
        self.hole = False
        """Whether there is a block of zeros in the middle of what was read of the picture."""
        self.source = vips.SourceCustom()
        self.source.on_read(self._read)
        self.source.on_seek(self._seek)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def left(self) -> int:
        """Bytes between what was read and the picture's end that are no mere filling."""
        start = self._place
        data = self._at(start, _LOOKED_THROUGH)
        end = data.find(b"\xff\xd9")
        if end <= _SLACK or is_one_value(data[_SLACK:end]):
            return 0
        return end

    def _at(self, place: int, size: int) -> bytes:
        if self._file >= 0:
            return os.pread(self._file, size, place)
        return self._data[place : place + size]

    def _read(self, size: int) -> bytes:
        if self._place >= self._size - _TAIL:
            size = min(size, _PIECE)
        found = self._at(self._place, size)
        if self._scan and self._place + len(found) > self._scan:
            self._look_for_hole(found[max(self._scan - self._place, 0) :])
        self._place += len(found)
        return found

    def _look_for_hole(self, data: bytes) -> None:
        several = self._last + data
        place = several.find(LONGEST)
        if place >= 0 and several[place:].strip(b"\0"):
            rest = several[place:].lstrip(b"\0")
            self.hole |= not rest.startswith(b"\xff\xd9")
        self._last = several[-len(LONGEST) :]

    def _seek(self, offset: int, whence: int) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place
