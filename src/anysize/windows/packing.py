"""Stretches of speech packed into full windows whose seams lie in pauses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anysize.core.windows import Span

_FULL = 2 / 3
"""Of a window's size: a seam is not looked for before so much of it is filled."""
_LONG_PAUSE = 40
"""Frames: a pause that is as good a seam as a longer one."""
_SOFT = 10
"""Frames over which the quietest place is looked for."""


@dataclass(slots=True)
class Packer:
    """Fills windows with stretches, in order.

    Where the next stretch does not fit, the window ends in the last long pause of its last third,
    else in the longest pause there; what is behind it begins the next window.

    Args:
        size: frames of a window at most; no stretch may be longer.
    """

    size: int
    held: list[Span] = field(default_factory=list)

    def add(self, stretch: Span) -> Iterator[tuple[Span, ...]]:
        """Takes the next stretch; the windows that are full with it."""
        while self.held and total(self.held) + stretch.size > self.size:
            count = self._seam(stretch)
            yield tuple(self.held[:count])
            self.held = self.held[count:]
        self.held.append(stretch)

    def rest(self) -> Iterator[tuple[Span, ...]]:
        """The window that was not full."""
        if self.held:
            yield tuple(self.held)
        self.held = []

    def _seam(self, following: Span) -> int:
        """How many of the stretches that are held make a window."""
        starts = [*(each.start for each in self.held[1:]), following.start]
        pauses = [start - each.stop for each, start in zip(self.held, starts, strict=True)]
        filled = np.cumsum([each.size for each in self.held])
        allowed = [at for at in range(len(pauses)) if filled[at] >= _FULL * self.size]
        allowed = allowed or [len(pauses) - 1]
        long = [at for at in allowed if pauses[at] >= _LONG_PAUSE]
        return 1 + (long[-1] if long else max(allowed, key=lambda at: (pauses[at], at)))


def total(stretches: Sequence[Span]) -> int:
    """Frames of all of them together."""
    return sum(each.size for each in stretches)


def quietest(loudness: NDArray[np.float32]) -> int:
    """The middle of the quietest tenth of a second, the last one of equals.

    Args:
        loudness: of frames, in any rising measure ``[n]``; at least one.
    """
    width = min(_SOFT, len(loudness))
    means = np.convolve(loudness.astype(np.float64), np.full(width, 1 / width), mode="valid")
    return len(means) - 1 - int(np.argmin(means[::-1])) + width // 2
