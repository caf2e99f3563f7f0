"""How far a long pass over data is, reported through ``logging``.

Passes happen deep in the house (an index that is built, labels that are counted), where nobody
knows who listens. So they log to ``anysize.progress`` at level INFO: the command line and training
show that on standard error (`core.progress_display`), a program sees it if it configures logging,
and nobody else is bothered.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

NAME = "anysize.progress"

FIRST_SECONDS = 2.0
_EVERY_SECONDS = 0.5
# Before, the first files, caches and kernels say little about the rest.
_SURE_SECONDS, _SURE_PART = 5.0, 0.02
_SCALES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))

_log = logging.getLogger(NAME)
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)

Item = TypeVar("Item")


def worth_telling(part: float, seconds: float) -> bool:
    """Whether an estimate of the time that is left means something yet.

    Args:
        part: of the work that is done, 0 to 1.
        seconds: that it took.
    """
    return seconds >= _SURE_SECONDS and part >= _SURE_PART


@contextlib.contextmanager
def silenced(quiet: bool) -> Iterator[None]:
    """Passes that begin inside say nothing if ``quiet``."""
    token = _quiet.set(quiet or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)


def note(line: str) -> None:
    """A line about the work that is under way, for those who follow it."""
    if not _quiet.get():
        _log.info("%s", line, extra={"of": None, "part": None, "ended": True})


class Pass:
    """Work that reports now and then how far it is; nothing where it takes less than 2 seconds.

    Its log records have the attributes ``of`` (the pass), ``part`` (of the work that is done, or
    None) and ``ended``, so that a terminal can write the lines of one pass over each other.

    Args:
        first: seconds until the first report; None takes 2.
    """

    def __init__(self, first: float | None = None) -> None:
        self.start = time.monotonic()
        self._next = self.start + (FIRST_SECONDS if first is None else first)
        self._told = False
        self._quiet = _quiet.get()

    def report(self, part: float | None, sentence: str | Callable[[float], str]) -> None:
        """Says how far it is, where that is due.

        Args:
            part: of the work that is done, 0 to 1; None where nobody knows.
            sentence: what is said, or what makes it from the seconds since the beginning.
        """
        now = time.monotonic()
        if now >= self._next and not self._quiet:
            self._next = now + _EVERY_SECONDS
            self._told = True
            said = sentence if isinstance(sentence, str) else sentence(now - self.start)
            self._say(said, part, ended=False)

    def end(self, sentence: Callable[[float], str]) -> None:
        """Says that all is done, where something was said before."""
        if self._told:
            self._say(sentence(time.monotonic() - self.start), 1.0, ended=True)

    def _say(self, sentence: str, part: float | None, *, ended: bool) -> None:
        _log.info("%s", sentence, extra={"of": self, "part": part, "ended": ended})


class Progress:
    """How much of something is done, at what rate, and how long the rest takes; see ``Pass``.

    Args:
        name: what is done, as ``indexing reviews.csv``.
        total: how much there is to do; 0 where nobody knows.
        unit: of ``total``: ``bytes``, or a plural such as ``records``.
    """

    def __init__(self, name: str, total: int, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._pass = Pass()

    def at(self, done: int) -> None:
        """So much is done."""
        part = done / self._total if self._total else None
        self._pass.report(part, lambda seconds: f"{self._name}: {self._sentence(done, seconds)}")

    def end(self, done: int) -> None:
        """All of it is done."""
        self._pass.end(lambda seconds: f"{self._name}: {self._amount(done)} in {clock(seconds)}")

    def _sentence(self, done: int, seconds: float) -> str:
        rate = done / seconds
        parts = [self._amount(done)]
        if self._total:
            parts = [f"{min(done / self._total, 1.0):.0%} of {self._amount(self._total)}"]
        parts.append(f"{self._amount(round(rate))}/s")
        if self._total and worth_telling(done / self._total, seconds):
            parts.append(f"{clock(max(self._total - done, 0) / rate)} left")
        return ", ".join(parts)

    def _amount(self, value: int) -> str:
        if self._unit == "bytes":
            for name, scale in _SCALES:
                if value >= scale:
                    return f"{value / scale:.3g} {name}"
        return f"{value:,} {self._unit}"


def counted(items: Iterable[Item], name: str, total: int, unit: str = "records") -> Iterator[Item]:
    """The items, and how many of them have passed; see ``Progress``."""
    progress, done = Progress(name, total, unit), 0
    for item in items:
        yield item
        done += 1
        progress.at(done)
    progress.end(done)


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    whole = max(round(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
