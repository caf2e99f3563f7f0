"""What an evaluation of answers holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.evaluation.intervals import Interval
from anysize.evaluation.passing import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBaseline:
    """A simple system on the same questions.

    Attributes:
        name: its key in ``metrics.json``.
        description: what it does, in words.
        exact, f1: its means.
        difference: the model's F1 minus its own, with the interval of that.
    """

    name: str
    description: str
    exact: float
    f1: float
    difference: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "exact_match": self.exact,
            "f1": self.f1,
            "model_minus_baseline": self.difference,
            "interval": self.interval.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBin:
    """Questions whose context, or whose answer's place in it, lies in ``[low, high]``.

    Attributes:
        low, high: tokens of the context, or per cent of it.
        records: how many.
        exact, f1: means.
        first_window: F1 of the first window alone; None where that is not known.
    """

    low: int
    high: int
    records: int
    exact: float
    f1: float
    first_window: float | None

    def to_json(self) -> dict[str, Any]:
        found = {
            "low": self.low,
            "high": self.high,
            "records": self.records,
            "exact_match": self.exact,
            "f1": self.f1,
        }
        return found if self.first_window is None else {**found, "first_window": self.first_window}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A question as the report shows it.

    Attributes:
        index: its place in the source.
        id: of the record.
        right: the right answers; none where there is none.
        answer: what the model gives; None where it gives none.
        place: of that, first character and the one after the last.
        score: the model's confidence.
        f1: of it.
    """

    index: int
    id: str
    right: tuple[str, ...]
    answer: str | None
    place: tuple[int, int] | None
    score: float
    f1: float

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "right": list(self.right),
            "answer": self.answer,
            "score": self.score,
            "f1": self.f1,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEvaluation(Account):
    """How well questions are answered.

    Attributes:
        metrics: those that are one number, by name.
        intervals: of some of them; over contexts, each with all of its questions.
        questions, answerable, contexts: how many.
        answered: to how many an answer was given.
        baselines: simple systems on the same questions.
        by_length: by tokens of the context.
        by_depth: of questions with an answer, by where in the context it is.
        worst, best: questions for the report.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    questions: int
    answerable: int
    contexts: int
    answered: int
    baselines: tuple[AnswerBaseline, ...]
    by_length: tuple[AnswerBin, ...]
    by_depth: tuple[AnswerBin, ...]
    worst: tuple[Shown, ...]
    best: tuple[Shown, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return dict(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.questions,
            "answerable": self.answerable,
            "contexts": self.contexts,
            "answered": self.answered,
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "baselines": {each.name: each.to_json() for each in self.baselines},
            "by_length": [each.to_json() for each in self.by_length],
            "by_depth": [each.to_json() for each in self.by_depth],
            "worst_records": [each.to_json() for each in self.worst],
            **self.account(),
        }
