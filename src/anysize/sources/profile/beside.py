"""Counts the columns of a large table beside the pass that finds its rows.

Two threads share the work with the one that finds the rows; whole-array steps leave the
interpreter to the others while they run. Which thread counts which block depends on the block's
number alone, so that the counts do not depend on the machine.
"""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.sources.profile.cells import PADDING
from anysize.sources.profile.facts import Facts
from anysize.sources.profile.large import FIRST_ROWS, LargeFacts
from anysize.sources.rows import RowError, split_cells
from anysize.sources.tables.dialect import Dialect

_THREADS = 2
_WAITING = 1
_BYTES = 1 << 20
_MOST = 1 << 22
MOST_COLUMNS = 1000


class Beside:
    """Facts of a delimited table whose rows are found meanwhile.

    Args:
        path: the table.
        dialect: how rows and cells are separated.
        encoding: of the table.
        skip: rows before the first record (the header).
    """

    def __init__(self, path: Path, dialect: Dialect, encoding: str, skip: int = 1) -> None:
        self._path, self._dialect, self._encoding = path, dialect, encoding
        self._skip = skip
        self._held = np.empty(0, np.int64)
        self._facts: list[LargeFacts] = []
        self._queues: list[queue.Queue[NDArray[np.int64] | None]] = []
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None
        self._number = 0
        self._row = 0
        self.usable = True

    def see(self, starts: NDArray[np.uint64]) -> None:
        """Takes the starts of further rows, in order; the last one of all is the file's end."""
        if not self.usable:
            return
        self._held = np.concatenate([self._held, starts.astype(np.int64)])
        if not self._facts:
            if len(self._held) <= self._skip + FIRST_ROWS and len(starts) > 1:
                return
            self._begin()
        while self.usable and len(self._held) > 1:
            stop = int(np.searchsorted(self._held, self._held[0] + _MOST, side="right"))
            stop = max(stop, 2)
            self._put(self._held[:stop])
            self._held = self._held[stop - 1 :]

    def finish(self) -> tuple[list[Facts], int, int] | None:
        """Facts by column, how many rows and how many of them could not be read; None if none."""
        if self.usable and not self._facts and len(self._held) > self._skip + 1:
            self._begin()
        if self.usable and len(self._held) > 1:
            self._put(self._held)
        self.close()
        if not self.usable or not self._facts or self._failed is not None:
            return None
        facts = self._facts[0].facts()
        for other in self._facts[1:]:
            for mine, more in zip(facts, other.facts(), strict=True):
                mine.join(more)
        rows = sum(each.rows for each in self._facts)
        return facts, rows, sum(each.unread for each in self._facts)

    def close(self) -> None:
        """Ends the threads."""
        for line in self._queues:
            line.put(None)
        for thread in self._threads:
            thread.join()
        self._queues, self._threads = [], []

    def _begin(self) -> None:
        """Counts the first rows, which show what the columns are, and starts the threads."""
        with self._path.open("rb") as file:
            head = os.pread(file.fileno(), int(self._held[1] - self._held[0]), int(self._held[0]))
            try:
                cells = split_cells(head.decode(self._encoding), self._dialect)
            except (RowError, UnicodeDecodeError):
                cells = []
            self._held = self._held[self._skip :]
            if not 0 < len(cells) <= MOST_COLUMNS:
                self.usable = False
                return
            blocks = os.fstat(file.fileno()).st_size // _BYTES
            first = LargeFacts(len(cells), self._dialect, self._encoding, blocks)
            rows = self._held[: FIRST_ROWS + 1]
            self._held = self._held[FIRST_ROWS:]
            _count(first, file.fileno(), rows, 0)
        self._facts = [first, *(first.fork() for _ in range(_THREADS - 1))]
        for facts in self._facts:
            line: queue.Queue[NDArray[np.int64] | None] = queue.Queue(_WAITING)
            thread = threading.Thread(target=self._work, args=(facts, line), daemon=True)
            self._queues.append(line)
            self._threads.append(thread)
            thread.start()
        self._row = len(rows) - 1

    def _put(self, starts: NDArray[np.int64]) -> None:
        line = self._queues[self._number % len(self._queues)]
        line.put(np.concatenate([[self._row], starts]))
        self._row += len(starts) - 1
        self._number += 1

    def _work(self, facts: LargeFacts, line: queue.Queue[NDArray[np.int64] | None]) -> None:
        with self._path.open("rb") as file:
            while (item := line.get()) is not None:
                if self._failed is None:
                    try:
                        _count(facts, file.fileno(), item[1:], int(item[0]))
                    except Exception as error:  # noqa: BLE001  the index must not fail by this
                        self._failed = error


def _count(facts: LargeFacts, descriptor: int, starts: NDArray[np.int64], row: int) -> None:
    """Counts rows, a mebibyte at a time, which stays in a processor's cache."""
    at = 0
    buffer = np.empty(0, np.uint8)
    while at < len(starts) - 1:
        stop = int(np.searchsorted(starts, starts[at] + _BYTES, side="right")) - 1
        stop = min(max(stop, at + 1), len(starts) - 1)
        size = int(starts[stop] - starts[at])
        if size <= 4 * _MOST:
            if len(buffer) < size + PADDING:
                buffer = np.empty(max(size, _BYTES) + PADDING, np.uint8)
            data = buffer[: size + PADDING]
            if os.preadv(descriptor, [data[:size].data], int(starts[at])) != size:
                raise OSError("the table has become shorter")
            data[size:] = 0
            facts.add(data, starts[at : stop + 1] - starts[at], row + at)
        else:
            facts.unread += stop - at  # one row of many megabytes
            facts.rows += stop - at
        at = stop
