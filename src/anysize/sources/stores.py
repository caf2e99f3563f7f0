"""Rows of bytes that are written once and then read by position."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from typing import IO

MEMORY = 1 << 23


class ByteRows:
    """An append-only list of byte strings.

    In memory up to 8 MiB, behind that in temporary files without a name. Appending is for one
    thread; reading, once all is appended, is for several.
    """

    def __init__(self) -> None:
        self._blob = bytearray()
        self._bounds = array("Q", [0])
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self._flushed = 0
        self._count = 0
        self._end = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: bytes) -> None:
        self._blob += row
        self._end += len(row)
        self._bounds.append(self._end)
        self._count += 1
        if len(self._blob) >= MEMORY:
            self._flush()

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < self._count:
            raise IndexError(f"row {index} of {self._count}")
        start, stop = self._bound(index), self._bound(index + 1)
        if start >= self._flushed:
            return bytes(self._blob[start - self._flushed : stop - self._flushed])
        assert self._files is not None
        return os.pread(self._files[0].fileno(), stop - start, start)

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(self._count))

    def _bound(self, index: int) -> int:
        kept = self._count + 1 - len(self._bounds)
        if index >= kept:
            return self._bounds[index - kept]
        assert self._files is not None
        return int.from_bytes(os.pread(self._files[1].fileno(), 8, 8 * index), "little")

    def _flush(self) -> None:
        if self._files is None:
            self._files = _temporary(self), _temporary(self)
        blob, bounds = self._files
        blob.write(self._blob)
        blob.flush()
        # The last bound stays: it is the next row's start.
        bounds.write(b"".join(bound.to_bytes(8, "little") for bound in self._bounds[:-1]))
        bounds.flush()
        self._flushed = self._end
        self._blob.clear()
        del self._bounds[:-1]

    def __getstate__(self) -> list[bytes]:
        return list(self)

    def __setstate__(self, rows: list[bytes]) -> None:
        self.__init__()  # type: ignore[misc]
        for row in rows:
            self.append(row)


def _temporary(owner: ByteRows) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="anysize-")  # noqa: SIM115  closed with its owner
    weakref.finalize(owner, file.close)
    return file
