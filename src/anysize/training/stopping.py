"""A clean stop: the first signal ends the run after the step under way, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from anysize.core.errors import RunError


class Stopped(RunError):  # noqa: N818 - it is the end that was asked for, not an error
    """The run was asked to stop and left a resumable checkpoint.

    Attributes:
        signal: what asked: ``SIGINT`` (Ctrl-C) or ``SIGTERM``.
        step: steps made.
        out: folder of the run.
    """

    def __init__(self, number: int, step: int, out: str) -> None:
        self.signal = number
        self.step = step
        self.out = out
        self.exit_code = 128 + number
        super().__init__(
            f"stopped by {signal.Signals(number).name} after step {step}; "
            f"the run in {out} goes on with --resume"
        )

    def __reduce__(self) -> tuple[type[Stopped], tuple[int, int, str]]:
        return type(self), (int(self.signal), self.step, self.out)


class StopRequest:
    """The number of the signal that asked for the stop; 0 while nobody has."""

    def __init__(self) -> None:
        self.signal = 0

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Handles SIGINT and SIGTERM inside; in other threads than the main one, does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
