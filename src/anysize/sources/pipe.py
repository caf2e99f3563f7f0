"""What comes through a pipe, read beside the work into a bounded buffer."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Iterator

from anysize.core.errors import DataError

_PIECE = 1 << 15
_MOST = 32 << 20
"""Bytes that wait at most: of sound at 16 kHz in 16 bits 17 minutes."""
_OFTEN = 0.1
"""Seconds after which the thread looks whether it is to stop."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f"))


class Pipe:
    """What a file descriptor gives, read beside the work of the model into a bounded buffer.

    Where the buffer is full nothing more is read, and whoever writes has to wait.

    Args:
        descriptor: of a pipe, a device or a file.
        most: bytes that wait at most.
    """

    def __init__(self, descriptor: int, most: int = _MOST) -> None:
        self._descriptor, self._most = descriptor, most
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._condition = threading.Condition()
        self._stopping = self._ended = False
        self._problem: OSError | None = None
        self._was_full = False
        self._thread = threading.Thread(target=self._read, name="anysize-pipe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From here on nothing more is read; what waits is still given. For signal handlers too."""
        self._stopping = True

    @property
    def stopped(self) -> bool:
        """Whether it was ended from this side."""
        return self._stopping

    def notes(self) -> tuple[str, ...]:
        """That whoever writes had to wait."""
        if not self._was_full:
            return ()
        return (
            f"came faster than the model reads: {self._most >> 20} MiB waited at times, and a "
            "program that records may have dropped some meanwhile",
        )

    def peek(self, count: int) -> bytes:
        """The first bytes, which stay; fewer where it ends before."""
        with self._condition:
            while self._size < min(count, self._most) and not self._ended:
                self._condition.wait()
            return b"".join(self._waiting)[:count]

    def lines(self) -> Iterator[bytes]:
        """What comes, a line at a time, each with its end."""
        held = b""
        for chunk in self:
            *whole, held = (held + chunk).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if held:
            yield held

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._condition:
                while not self._waiting and not self._ended:
                    self._condition.wait()
                if not self._waiting:
                    break
                chunk = self._waiting.popleft()
                self._size -= len(chunk)
                self._condition.notify_all()
            yield chunk
        if self._problem is not None:
            raise DataError("standard input", f"cannot be read: {self._problem.strerror}")

    def _read(self) -> None:
        try:
            while not self._stopping:
                if not select.select([self._descriptor], [], [], _OFTEN)[0]:
                    continue
                data = os.read(self._descriptor, _PIECE)
                if not data:
                    break
                self._put(data)
        except OSError as error:
            self._problem = error
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def _put(self, data: bytes) -> None:
        with self._condition:
            while self._size and self._size + len(data) > self._most and not self._stopping:
                self._was_full = True
                self._condition.wait(_OFTEN)
            self._waiting.append(data)
            self._size += len(data)
            self._condition.notify_all()


def are_lines(head: bytes) -> bool:
    """Whether the first bytes of something are lines of text, and no samples of sound."""
    return len(head.translate(None, _CONTROLS)) == len(head)
