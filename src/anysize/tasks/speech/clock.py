"""From frames of a window of packed speech to milliseconds of its recording."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysize.core.transcripts import Word
from anysize.models.whisper_tokens import TIME

if TYPE_CHECKING:
    from anysize.models.whisper_tokens import WhisperTokens
    from anysize.tasks.speech.heard import Line

_HOP = 160
_MILLISECOND = 16
"""Samples at 16 kHz."""
_WHOLE = 1 << 40
LONG = 3000
"""Milliseconds of a silence that no segment reaches across."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the frames of a window come from.

    Attributes:
        pieces: stretches of the recording in samples at 16 kHz, one after the other in the window,
            int64 ``[n, 2]``.
    """

    pieces: NDArray[np.int64]

    @classmethod
    def plain(cls) -> Clock:
        """Of a window that is the beginning of a recording."""
        return cls(np.array([[0, _WHOLE]], np.int64))

    def milliseconds(self, frame: int, *, ending: bool = False) -> int:
        """When a frame of the window is.

        Args:
            frame: of 10 ms; what lies behind the window is its end.
            ending: whether something ends there: on a seam that is before the pause.
        """
        place = max(frame, 0) * _HOP
        begin = 0
        for start, stop in self.pieces.tolist():
            size = stop - start
            if place < begin + size or (ending and place == begin + size):
                return int((start + place - begin) // _MILLISECOND)
            begin += size
        return int(self.pieces[-1, 1] // _MILLISECOND)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Beginning and end in milliseconds.

        What lies on both sides of a long silence that was left out has the times of its longer
        part: where it lies by a splinter of a second on one side, that is how exact the model is.
        """
        first, last = self._longest_part(start, stop)
        begin = self.milliseconds(first)
        return begin, max(self.milliseconds(last, ending=True), begin)

    def _longest_part(self, start: int, stop: int) -> tuple[int, int]:
        """The part between two frames that reaches across no long silence and is the longest."""
        best, kept, place, before = -1, (start, stop), 0, 0
        low = high = start
        for begin, end in self.pieces.tolist():
            own = (max(start, place), min(stop, place + (end - begin) // _HOP))
            if place and begin - before >= LONG * _MILLISECOND:
                low = high = own[0]
            high = max(own[1], high)
            if own[0] < own[1] and high - low > best:
                best, kept = high - low, (low, high)
            place, before = place + (end - begin) // _HOP, end
        return kept

    def words(self, tokens: WhisperTokens, line: Line) -> tuple[Word, ...]:
        """The words of a line that was aligned, each within one stretch.

        A word that begins at the very end of a stretch belongs to the next one.
        """
        assert line.aligned is not None
        found: list[Word] = []
        at = 0
        for group in tokens.words(line.tokens):
            starts, chances = line.aligned.starts, line.aligned.chances[at : at + len(group)]
            begin, end = starts[at] * TIME, starts[at + len(group)] * TIME
            at += len(group)
            text = tokens.text(group)
            if not text.strip():
                continue
            begin, end = self._within(int(begin) + line.offset, int(end) + line.offset)
            score = math.exp(float(np.log(np.maximum(chances, 1e-10)).mean()))
            first = self.milliseconds(begin)
            last = max(self.milliseconds(end, ending=True), first)
            found.append(Word(start=first, end=last, text=text, score=score))
        return tuple(found)

    def _within(self, begin: int, end: int) -> tuple[int, int]:
        """Both within the stretch that has the larger part of what is between them."""
        best, kept, place = 0, (begin, end), 0
        for start, stop in self.pieces.tolist():
            low, high = place, place + (stop - start) // _HOP
            inside = min(end, high) - max(begin, low)
            if inside > best:
                best, kept = inside, (max(begin, low), min(end, high))
            place = high
        return kept
