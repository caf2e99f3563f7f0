"""What an evaluation of timelines holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anysize.evaluation.intervals import Interval
from anysize.evaluation.passing import Account
from anysize.recognition.diarization_error import Compared, DiarizationError
from anysize.recognition.turns import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTimeline:
    """A recording, its reference and what was found.

    Attributes:
        index: its place in the source.
        id: of the record.
        seconds: its length.
        reference, found: the turns.
        compared: the errors.
    """

    index: int
    id: str
    seconds: float
    reference: Sequence[Turn]
    found: Sequence[Turn]
    compared: Compared

    @property
    def wrong(self) -> float:
        """Seconds of errors."""
        error = self.compared.error
        return error.missed + error.false_alarm + error.confusion


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordError:
    """The errors of one recording."""

    id: str
    error: DiarizationError

    def to_json(self) -> dict[str, Any]:
        known = self.error.to_json() if self.error.speech else {"der": None}
        return {"id": self.id, **known}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationEvaluation(Account):
    """How well it is known who speaks when.

    Attributes:
        error: sums over all recordings.
        interval: of the rate, by resampling recordings; None of a single one.
        right_number: recordings in which as many speakers were found as there are.
        records: each by itself, in their order; at most the first few hundred.
        worst: those with the most seconds of errors, with their turns.
        seconds: of all recordings.
        scored: recordings.
    """

    error: DiarizationError
    interval: Interval | None
    right_number: int
    records: tuple[RecordError, ...]
    worst: tuple[ScoredTimeline, ...]
    seconds: float
    scored: int

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name; parts of the speech of the reference."""
        error = self.error
        return {
            "der": error.rate,
            "missed": error.missed / error.speech,
            "false_alarm": error.false_alarm / error.speech,
            "confusion": error.confusion / error.speech,
        }

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "der_interval": None if self.interval is None else self.interval.to_json(),
            "seconds_of_errors": self.error.to_json(),
            "collar": self.error.collar,
            "recordings": self.scored,
            "recordings_with_the_right_number_of_speakers": self.right_number,
            "seconds": self.seconds,
            "by_recording": [each.to_json() for each in self.records],
            **self.account(),
        }
