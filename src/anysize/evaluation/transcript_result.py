"""What an evaluation of transcripts holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.evaluation.intervals import Interval
from anysize.evaluation.passing import Account
from anysize.evaluation.seams import SeamErrors
from anysize.synthesis.speech import Speech
from anysize.tasks.transcripts.word_errors import Errors

METRICS = ("wer", "cer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTranscript:
    """A record as the report shows it.

    Attributes:
        index: its place in the source.
        id: of the record.
        wer: of it alone.
        wrong: its errors in words.
        prediction, reference: at most their first characters.
        speech: what was heard, where it was made here and no file has it.
    """

    index: int
    id: str
    wer: float
    wrong: int
    prediction: str
    reference: str
    speech: Speech | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "wer": self.wer,
            "errors": self.wrong,
            "prediction": self.prediction,
            "reference": self.reference,
        }


_SPACES = "each character of Chinese, Japanese, Thai and other scripts without spaces is a word."
RULE = (
    "Compared without case and punctuation (Unicode NFKC; numbers and abbreviations are not "
    f"spelled out); {_SPACES}"
)
RULE_OF_SPEECH = f"Compared without case and punctuation (Unicode NFKC); {_SPACES}"
"""Where numbers and abbreviations are spelled out before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvaluation(Account):
    """How well speech is recognised.

    Attributes:
        words, characters: errors without case and punctuation; each character of a script without
            spaces is a word.
        written: errors of words with case and punctuation.
        intervals: of ``wer`` and ``cer``, by resampling records; none of a single record.
        unspaced: records whose references are mostly in a script without spaces.
        seams: errors by the distance from a seam of windows; empty where no recording had one, or
            transcripts have no times.
        untimed: recordings with seams whose words have no times.
        substituted, deleted, inserted: the words that are wrong most often, with how often.
        worst: records with the most errors, these first.
        seconds: of the recordings, where receipts say so.
    """

    words: Errors
    characters: Errors
    written: Errors
    intervals: Mapping[str, Interval]
    unspaced: int
    seams: tuple[SeamErrors, ...]
    untimed: int
    substituted: tuple[tuple[str, str, int], ...]
    deleted: tuple[tuple[str, int], ...]
    inserted: tuple[tuple[str, int], ...]
    worst: tuple[ShownTranscript, ...]
    seconds: float

    @property
    def rule(self) -> str:
        """How texts are compared, a sentence."""
        return RULE

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return {
            "wer": self.words.rate,
            "cer": self.characters.rate,
            "wer_as_written": self.written.rate,
        }

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.receipts.records,
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "words": self.words.to_json(),
            "characters": self.characters.to_json(),
            "words_as_written": self.written.to_json(),
            "records_without_spaces": self.unspaced,
            "seconds": self.seconds,
            "by_seam_distance": [each.to_json() for each in self.seams],
            "substituted": [
                {"reference": wanted, "found": found, "times": times}
                for wanted, found, times in self.substituted
            ],
            "deleted": [{"word": word, "times": times} for word, times in self.deleted],
            "inserted": [{"word": word, "times": times} for word, times in self.inserted],
            "worst_records": [each.to_json() for each in self.worst],
            **self.account(),
        }
