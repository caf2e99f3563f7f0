"""Where in a recording a transcript is wrong, against the distance from a seam of windows.

A recogniser that loses or repeats words where one window ends and the next begins has a higher
error rate there than elsewhere, which the error rate of the whole recording hides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.tasks.transcripts.normalizing import words
from anysize.tasks.transcripts.word_errors import Aligned

EDGES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds; the last bin has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamErrors:
    """Errors of words that are ``low`` to ``high`` seconds from the nearest seam.

    Attributes:
        high: None of the last bin.
        reference: words of the references.
        substitutions, deletions, insertions: of them, each by itself.
    """

    low: float
    high: float | None
    reference: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        """Errors for each word of the reference."""
        wrong = self.substitutions + self.deletions + self.insertions
        return wrong / max(self.reference, 1)

    def to_json(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in self.__slots__}, "wer": self.rate}


class SeamCounter:
    """Adds up errors by their distance from a seam."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros((len(EDGES), 4), np.int64)
        self.recordings = 0

    def add(self, steps: Sequence[Aligned], timed: Sequence[float], seams: Sequence[float]) -> None:
        """Takes one recording.

        Args:
            steps: of the alignment of its transcript.
            timed: the middle of each word of the transcript, in seconds, as many as it has words.
            seams: in seconds, in order; at least one.
        """
        self.recordings += 1
        kinds = {"equal": (0,), "substitute": (0, 1), "delete": (0, 2), "insert": (3,)}
        for step in steps:
            at = _time(step, timed)
            if at is None:
                continue
            row = bisect_right(EDGES, _distance(at, seams)) - 1
            for column in kinds[step.operation]:
                self._counts[row, column] += 1

    def bins(self) -> tuple[SeamErrors, ...]:
        """The bins that have words; none where no recording had a seam."""
        highs: list[float | None] = [*EDGES[1:], None]
        return tuple(
            SeamErrors(
                low=low,
                high=high,
                reference=int(row[0]),
                substitutions=int(row[1]),
                deletions=int(row[2]),
                insertions=int(row[3]),
            )
            for low, high, row in zip(EDGES, highs, self._counts, strict=True)
            if row.any()
        )


def times_of(details: Mapping[str, Any]) -> tuple[list[str], list[float]] | None:
    """The words of a transcript as they are compared, each with its middle in seconds.

    Args:
        details: of a result: ``segments``, each with ``words``, which have ``text``, and ``start``
            and ``end`` in milliseconds.

    Returns:
        None where the result has no words with times.
    """
    found, times = [], []
    for segment in details.get("segments", ()):
        for each in segment.get("words", ()):
            for word in words(str(each["text"])):
                found.append(word)
                times.append((float(each["start"]) + float(each["end"])) / 2000)
    return (found, times) if found else None


def _time(step: Aligned, timed: Sequence[float]) -> float | None:
    """When a step is; a word that is missing is between its neighbours."""
    if step.operation != "delete":
        return timed[step.found]
    around = [timed[place] for place in (step.found - 1, step.found) if 0 <= place < len(timed)]
    return sum(around) / len(around) if around else None


def _distance(at: float, seams: Sequence[float]) -> float:
    place = bisect_right(seams, at)
    return min(abs(at - seams[each]) for each in (place - 1, place) if 0 <= each < len(seams))
