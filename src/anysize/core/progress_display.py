"""Shows on standard error what ``core.progress`` reports."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from anysize.core.progress import NAME, Pass

_EVERY_SECONDS = 10.0
_BAR = 24

_log = logging.getLogger(NAME)


def say(line: str) -> None:
    """A line for the person at the terminal; work does not fail because nobody can read it."""
    for handler in _log.handlers:
        handler.flush()
    _write(line + "\n")


def show() -> ProgressHandler:
    """From here on, progress is shown on standard error."""
    handler = ProgressHandler()
    _log.setLevel(logging.INFO)
    _log.propagate = False
    _log.handlers[:] = [handler]
    return handler


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Progress is shown meanwhile, where nobody listens to it already."""
    if _log.handlers:
        yield
        return
    before = _log.level, _log.propagate
    handler = show()
    try:
        yield
    finally:
        handler.flush()
        _log.removeHandler(handler)
        _log.setLevel(before[0])
        _log.propagate = before[1]


class ProgressHandler(logging.Handler):
    """One line with a bar, rewritten, on a terminal; a line now and then elsewhere."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: WeakKeyDictionary[Pass, float] = WeakKeyDictionary()
        self._open = False

    def emit(self, record: logging.LogRecord) -> None:
        of: Pass | None = record.of  # type: ignore[attr-defined]
        part: float | None = record.part  # type: ignore[attr-defined]
        ended: bool = record.ended  # type: ignore[attr-defined]
        message = record.getMessage()
        if of is None:
            self.flush()
            _write(message + "\n")
        elif sys.stderr.isatty():
            self._rewrite(message if part is None or ended else f"{_bar(part)} {message}")
            if ended:
                self.flush()
        elif ended or record.created - self._said.get(of, -_EVERY_SECONDS) >= _EVERY_SECONDS:
            self._said[of] = record.created
            _write(message + "\n")

    def flush(self) -> None:
        """Ends the line that is open, so that another can follow."""
        if self._open:
            self._open = False
            _write("\n")

    def _rewrite(self, line: str) -> None:
        _write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        self._open = True


def _bar(part: float) -> str:
    done = round(_BAR * min(max(part, 0.0), 1.0))
    return f"[{'#' * done}{' ' * (_BAR - done)}]"


def _write(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
