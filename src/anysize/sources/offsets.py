"""Where rows begin in a file: read by position, never held.

Positions are read with ``pread`` rather than through a memory map, because pages of a map count as
the process's memory once touched: random access over 10^8 rows would in time hold the whole index
and the whole table. A ``pread`` costs a microsecond and holds nothing.
"""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError

WORD = 8
"""Bytes of one position (uint64, little-endian)."""


class RandomFile:
    """A file read at any place by any thread; opened on first use, again after unpickling.

    Args:
        path: the file.
        size: what it must measure; None accepts any size.
        name: what messages call it; None is its path.
    """

    def __init__(self, path: Path, size: int | None = None, name: Path | None = None) -> None:
        self.path = path
        self._name = str(name or path)
        self._size = size
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Path, int | None, str]:
        return self.path, self._size, self._name

    def __setstate__(self, state: tuple[Path, int | None, str]) -> None:
        self.path, self._size, self._name = state
        self._descriptor = None
        self._lock = threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``.

        Raises:
            DataError: the file is gone, has another size than when it was indexed, or ends early.
        """
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._open()
        parts: list[bytes] = []
        while size > 0:
            # One call reads at most 2 GiB on Linux.
            part = os.pread(descriptor, min(size, 1 << 30), start)
            if not part:
                raise DataError(self._name, "ends earlier than its index says; open it again")
            parts.append(part)
            start += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _open(self) -> int:
        with self._lock:
            if self._descriptor is None:
                try:
                    descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                except OSError as error:
                    raise DataError(
                        self._name, f"cannot be read: {error.strerror or error}"
                    ) from None
                weakref.finalize(self, os.close, descriptor)
                found = os.fstat(descriptor).st_size
                if self._size is not None and found != self._size:
                    raise DataError(
                        self._name,
                        f"has changed since it was indexed ({self._size} bytes then, {found} "
                        "now); open it again",
                    )
                self._descriptor = descriptor
            return self._descriptor


class Offsets:
    """The bounds of ``len(self)`` rows: row ``i`` is ``[bound[i], bound[i + 1])``.

    Args:
        bounds: ``len(self) + 1`` positions, uint64, in memory, or the file that holds them.
        base: in the file, where the first one begins.
        count: how many rows there are (in the file).
    """

    def __init__(
        self, bounds: NDArray[np.uint64] | RandomFile, base: int = 0, count: int | None = None
    ) -> None:
        self._bounds = bounds
        self._base = base
        self._count = len(bounds) - 1 if isinstance(bounds, np.ndarray) else int(count or 0)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self._count:
            raise IndexError(f"row {index} of {self._count}")
        if isinstance(self._bounds, np.ndarray):
            return int(self._bounds[index]), int(self._bounds[index + 1])
        pair = self._bounds.read(self._base + WORD * index, 2 * WORD)
        return int.from_bytes(pair[:WORD], "little"), int.from_bytes(pair[WORD:], "little")

    def block(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Bounds ``start`` to ``stop`` inclusive, for reading rows in order."""
        if isinstance(self._bounds, np.ndarray):
            return self._bounds[start : stop + 1]
        data = self._bounds.read(self._base + WORD * start, WORD * (stop - start + 1))
        return np.frombuffer(data, dtype="<u8")
