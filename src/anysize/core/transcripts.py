"""Transcripts: what is said in a recording, and when, on the recording's own clock."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word, or in writing without spaces what the model wrote at once.

    Attributes:
        start, end: milliseconds from the beginning of the recording.
        text: with the space before it, where the language has one.
        score: probability of its tokens, their geometric mean; None where nobody knows.
    """

    start: int
    end: int
    text: str
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        found: dict[str, Any] = {"start": self.start, "end": self.end, "text": self.text.strip()}
        return found if self.score is None else {**found, "score": round(self.score, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What is said without a longer pause: a line of subtitles.

    Attributes:
        start, end: milliseconds from the beginning of the recording.
        text: without white space around it.
        words: of it; empty where their times are not known.
        score: geometric mean of the probabilities of its tokens; None where nobody knows.
        speaker: name or number of who says it; None where nobody was asked.
    """

    start: int
    end: int
    text: str
    words: tuple[Word, ...] = ()
    score: float | None = None
    speaker: str | None = None

    def said_by(self, speaker: str) -> Segment:
        """The same with a speaker."""
        return replace(self, speaker=speaker)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not known is left out."""
        found: dict[str, Any] = {"start": self.start, "end": self.end, "text": self.text}
        if self.score is not None:
            found["score"] = round(self.score, 4)
        if self.speaker is not None:
            found["speaker"] = self.speaker
        if self.words:
            found["words"] = [word.to_json() for word in self.words]
        return found


class Score:
    """Geometric mean, over characters, of the probabilities of segments as they come."""

    def __init__(self) -> None:
        self._total, self._logs = 0, 0.0

    def add(self, segments: Iterable[Segment]) -> Score:
        """Counts those whose probability is known."""
        for each in segments:
            if each.score is not None:
                self._total += len(each.text)
                self._logs += len(each.text) * math.log(max(each.score, 1e-10))
        return self

    def mean(self) -> float | None:
        """The mean; None where nobody speaks or nobody knows."""
        return round(math.exp(self._logs / self._total), 6) if self._total else None


def joined(texts: Iterable[str]) -> str:
    """Texts one after the other, with a space between them except between ideographs.

    Marks of punctuation at the end of a text are looked through: models write both kinds of commas.
    """
    found: list[str] = []
    last = ""
    for text in texts:
        if not text:
            continue
        if found and not (_wide(last) and _wide(text[0])):
            found.append(" ")
        found.append(text)
        last = text.rstrip(",.!?;:\"'")[-1:] or text[-1]
    return "".join(found)


def _wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"
