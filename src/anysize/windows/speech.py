"""Stretches of speech from probabilities of voice, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anysize.core.windows import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRules:
    """When a stretch of speech begins and ends, in frames of the detector.

    Attributes:
        begins: probability from which on a stretch begins.
        ends: probability below which it may end.
        pause: frames below that, one after the other, that end it.
        least: frames of a stretch; what is shorter is none.
        spare: frames that are added before and behind it, because sounds begin softly; at most
            half of ``pause``.
    """

    begins: float = 0.5
    ends: float = 0.35
    pause: int = 10
    least: int = 4
    spare: int = 5


USUAL = SpeechRules()


class Finder(Protocol):
    """What finds stretches; see `SpeechFinder`."""

    @property
    def settled(self) -> int: ...

    def add(self, chances: NDArray[np.float32]) -> Iterator[Span]: ...

    def rest(self) -> Iterator[Span]: ...

    def open(self) -> Span | None: ...

    def cut(self, place: int) -> None: ...


class SpeechFinder:
    """Turns probabilities of one recording into stretches, in order; they do not overlap.

    Args:
        rules: when a stretch begins and ends.
    """

    def __init__(self, rules: SpeechRules = USUAL) -> None:
        self._rules = rules
        self._count = 0
        self._start: int | None = None
        self._below = 0
        self._stop = 0
        self._goes_on = False

    @property
    def settled(self) -> int:
        """The frame before which nothing begins any more that was not given yet."""
        begin = self._count if self._start is None else self._start
        return max(begin - self._rules.spare, self._stop)

    def add(self, chances: NDArray[np.float32]) -> Iterator[Span]:
        """Takes the next probabilities; the stretches that have ended, in frames."""
        rules = self._rules
        for chance in chances.tolist():
            self._count += 1
            if self._start is None:
                if chance >= rules.begins:
                    self._start, self._below = self._count - 1, 0
                continue
            self._below = self._below + 1 if chance < rules.ends else 0
            if self._below >= rules.pause:
                yield from self._ended()

    def rest(self) -> Iterator[Span]:
        """The stretch that the end of the recording ends."""
        yield from self._ended()

    def open(self) -> Span | None:
        """The stretch that has not ended, as far as it is known; None where nobody speaks."""
        if self._start is None or self._count - self._start < self._rules.least:
            return None
        return Span(max(self._start - self._rules.spare, self._stop), self._count - self._below)

    def cut(self, place: int) -> None:
        """Ends the open stretch at a frame, where the next one begins."""
        self._start = self._stop = place
        self._goes_on = True

    def _ended(self) -> Iterator[Span]:
        if self._start is None:
            return
        start, stop = self._start, self._count - self._below
        least = 1 if self._goes_on else self._rules.least
        self._start, self._below, self._goes_on = None, 0, False
        if stop - start < least:
            return
        begin = max(start - self._rules.spare, self._stop)
        self._stop = min(stop + self._rules.spare, self._count)
        yield Span(begin, self._stop)


class Everything:
    """In place of a detector: all of the recording is one stretch."""

    def __init__(self) -> None:
        self._start = self._count = 0

    @property
    def settled(self) -> int:
        """As of `SpeechFinder`, as are the others."""
        return self._start

    def add(self, chances: NDArray[np.float32]) -> Iterator[Span]:
        """Counts the frames."""
        self._count += len(chances)
        return iter(())

    def rest(self) -> Iterator[Span]:
        """What is left."""
        if self._count > self._start:
            yield Span(self._start, self._count)

    def open(self) -> Span | None:
        """All that was not cut off."""
        return Span(self._start, self._count) if self._count > self._start else None

    def cut(self, place: int) -> None:
        """The next stretch begins at this frame."""
        self._start = place
