"""Decoded rows that boxes still need: in memory when few, else in a temporary file.

The file has no name and is never mapped: what it holds is the system's page cache, which is given
up under pressure, and not this process's memory.
"""

from __future__ import annotations

import os
import tempfile
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.windows import Box

MEMORY = 1 << 25
"""Bytes of rows that are held in memory (32 MiB)."""


class Rows(Protocol):
    """A ring of pixel rows: row ``r`` is there until row ``r + capacity`` is written."""

    capacity: int

    def write(self, top: int, left: int, block: NDArray[np.uint8]) -> None:
        """Stores uint8 ``[h, w, 3]`` as a part of rows ``top`` and following."""
        ...

    def read(self, box: Box) -> NDArray[np.uint8]:
        """A copy of a box of rows that are there."""
        ...

    def close(self) -> None: ...


def rows_for(width: int, capacity: int, chunk: int) -> Rows:
    """In memory up to ``MEMORY`` bytes, else in a file."""
    if width * capacity * 3 <= MEMORY:
        return MemoryRows(width, capacity)
    return FileRows(width, capacity, chunk)


class MemoryRows:
    """Rows in an array."""

    def __init__(self, width: int, capacity: int) -> None:
        self.capacity = capacity
        self._array = np.empty((capacity, width, 3), dtype=np.uint8)

    def write(self, top: int, left: int, block: NDArray[np.uint8]) -> None:
        right = left + block.shape[1]
        for slot, at, count in _pieces(top, top + len(block), self.capacity):
            self._array[slot : slot + count, left:right] = block[at : at + count]

    def read(self, box: Box) -> NDArray[np.uint8]:
        found = np.empty((box.height, box.width, 3), dtype=np.uint8)
        for slot, at, count in _pieces(box.top, box.bottom, self.capacity):
            found[at : at + count] = self._array[slot : slot + count, box.left : box.right]
        return found

    def close(self) -> None:
        self._array = np.empty((0, 0, 3), dtype=np.uint8)


class FileRows:
    """Rows in a temporary file, in columns of ``chunk`` pixels, so that a box is few pieces.

    Blocks that are written begin at a multiple of ``chunk``, and end at one or at ``width``.
    """

    def __init__(self, width: int, capacity: int, chunk: int) -> None:
        self.capacity = capacity
        self._width = width
        self._chunk = chunk
        self._file = tempfile.TemporaryFile(prefix="anysize-")  # noqa: SIM115  closed by close()

    def write(self, top: int, left: int, block: NDArray[np.uint8]) -> None:
        right = left + block.shape[1]
        for column in range(left // self._chunk, -(-right // self._chunk)):
            part = block[:, column * self._chunk - left : (column + 1) * self._chunk - left]
            if part.shape[1] < self._chunk:
                part = np.pad(part, ((0, 0), (0, self._chunk - part.shape[1]), (0, 0)))
            for slot, at, count in _pieces(top, top + len(block), self.capacity):
                os.pwrite(
                    self._file.fileno(),
                    np.ascontiguousarray(part[at : at + count]).data,
                    self._place(column, slot),
                )

    def read(self, box: Box) -> NDArray[np.uint8]:
        found = np.empty((box.height, box.width, 3), dtype=np.uint8)
        for column in range(box.left // self._chunk, -(-box.right // self._chunk)):
            left = max(box.left, column * self._chunk)
            right = min(box.right, (column + 1) * self._chunk)
            for slot, at, count in _pieces(box.top, box.bottom, self.capacity):
                size = count * self._chunk * 3
                data = os.pread(self._file.fileno(), size, self._place(column, slot))
                part = np.frombuffer(data, dtype=np.uint8).reshape(count, self._chunk, 3)
                found[at : at + count, left - box.left : right - box.left] = part[
                    :, left - column * self._chunk : right - column * self._chunk
                ]
        return found

    def close(self) -> None:
        self._file.close()

    def _place(self, column: int, slot: int) -> int:
        return (column * self.capacity + slot) * self._chunk * 3


def _pieces(first: int, stop: int, capacity: int) -> list[tuple[int, int, int]]:
    """``(slot, offset, count)`` of rows ``[first, stop)`` in a ring: one piece, or two."""
    slot = first % capacity
    count = min(stop - first, capacity - slot)
    if first + count == stop:
        return [(slot, 0, count)]
    return [(slot, 0, count), (0, count, stop - first - count)]
