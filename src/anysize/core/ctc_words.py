"""Tokens with their steps as words and segments with their times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anysize.core.ctc import Spoken
from anysize.core.scripts import UNSPACED
from anysize.core.transcripts import Segment, Word

_PAUSE = 700
_LONGEST, _MOST = 7_000, 84
"""Of a segment, in milliseconds and characters: two lines of subtitles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What tokens say, and how long steps are.

    Attributes:
        pieces: text of each token; a space before it begins a word, empty is nothing.
        step: milliseconds of a step.
        words: whether segments have words with their times.
    """

    pieces: tuple[str, ...]
    step: float
    words: bool = True


class Lines:
    """Joins the tokens of one recording, in order; what is held is one segment.

    Args:
        reading: what tokens say.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._tokens: list[Spoken] = []  # of the word that is not finished
        self._text = ""
        self._gap = True  # whether a space comes before the word
        self._words: list[Word] = []

    def add(self, spoken: Spoken) -> Iterator[Segment]:
        """Takes a token; the segment that is finished with it."""
        piece = self._reading.pieces[spoken.token]
        text = piece.strip()
        begins = piece[:1] == " "
        if begins or (text and (_alone(text[0]) or _alone(self._text[-1:]))):
            yield from self._word_ends()
        if begins:
            self._gap = True
        if text:
            self._text += text
            self._tokens.append(spoken)
        if text and piece[-1:] == " ":
            yield from self._word_ends()
            self._gap = True

    def rest(self) -> Iterator[Segment]:
        """What is left behind the last token."""
        yield from self._word_ends()
        if self._words:
            yield self._segment()

    def _word_ends(self) -> Iterator[Segment]:
        if not self._tokens:
            return
        score = math.exp(sum(each.score for each in self._tokens) / len(self._tokens))
        gap = " " if self._gap else ""
        word = Word(
            start=round(self._tokens[0].start * self._reading.step),
            end=round(self._tokens[-1].stop * self._reading.step),
            text=f"{gap}{self._text}",
            score=score,
        )
        self._tokens, self._text, self._gap = [], "", False
        if self._words and self._is_full(word):
            yield self._segment()
        self._words.append(word)

    def _is_full(self, word: Word) -> bool:
        first, last = self._words[0], self._words[-1]
        length = sum(len(each.text) for each in self._words) + len(word.text)
        return word.start - last.end > _PAUSE or word.end - first.start > _LONGEST or length > _MOST

    def _segment(self) -> Segment:
        words, self._words = tuple(self._words), []
        return Segment(
            start=words[0].start,
            end=words[-1].end,
            text="".join(each.text for each in words).strip(),
            words=words if self._reading.words else (),
            score=_mean(words),
        )


def _mean(words: Sequence[Word]) -> float:
    """Geometric mean over the characters."""
    lengths = [len(each.text) for each in words]
    logs = [math.log(max(each.score or 0.0, 1e-10)) for each in words]
    total = sum(length * each for length, each in zip(lengths, logs, strict=True))
    return math.exp(total / sum(lengths))


def _alone(text: str) -> bool:
    """Whether a character is of a script that is written without spaces."""
    return bool(text) and any(start <= ord(text) < stop for start, stop in UNSPACED)
