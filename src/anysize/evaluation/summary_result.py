"""What an evaluation of summaries holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.rouge import METRICS
from anysize.evaluation.intervals import Interval
from anysize.evaluation.passing import Account

MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How well a system summarises.

    Attributes:
        words: what it does.
        means: F1 of each ROUGE metric, averaged over the records.
        intervals: of these.
        differences: the model's minus these, with intervals of the difference on the same records;
            empty of the model itself.
    """

    words: str
    means: Mapping[str, float]
    intervals: Mapping[str, Interval]
    differences: Mapping[str, tuple[float, Interval]]

    def to_json(self) -> dict[str, Any]:
        entries: dict[str, Any] = {
            "description": self.words,
            **self.means,
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
        }
        if self.differences:
            entries["model_minus_baseline"] = {
                name: {"difference": difference, "interval": interval.to_json()}
                for name, (difference, interval) in self.differences.items()
            }
        return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthScores:
    """Mean ROUGE-L of documents of ``low`` to ``high`` characters, by system."""

    low: int
    high: int
    records: int
    scores: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "records": self.records, **self.scores}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSummary:
    """A record as the report shows it.

    Attributes:
        index: its place in the source.
        id: of the record.
        score: ROUGE-L.
        prediction: the summary, at most its first characters.
        references: the same of each reference.
        drawn: where its sentences are from, as a result's ``sentences`` say it.
    """

    index: int
    id: str
    score: float
    prediction: str
    references: tuple[str, ...]
    drawn: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "rougeL": self.score, "prediction": self.prediction}


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryEvaluation(Account):
    """How well texts are summarised.

    Attributes:
        systems: the model under ``model``, and the baselines.
        over_references: mean F1 where the references of a record are averaged in place of the best
            one; None where no record has several.
        lengths: ROUGE-L by the length of the document.
        words: mean words of the summaries and of the references.
        worst, best: records with the lowest and the highest ROUGE-L, these first.
    """

    systems: Mapping[str, Scored]
    over_references: Mapping[str, float] | None
    lengths: tuple[LengthScores, ...]
    words: tuple[float, float]
    worst: tuple[ShownSummary, ...]
    best: tuple[ShownSummary, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return {name: self.systems[MODEL].means[name] for name in METRICS}

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        model = self.systems[MODEL]
        several = (
            {}
            if self.over_references is None
            else {"mean_over_references": dict(self.over_references)}
        )
        return {
            **self.main(),
            "records": self.receipts.records,
            "intervals": {name: each.to_json() for name, each in model.intervals.items()},
            **several,
            "baselines": {
                name: each.to_json() for name, each in self.systems.items() if name != MODEL
            },
            "words": {"summaries": self.words[0], "references": self.words[1]},
            "by_length": [each.to_json() for each in self.lengths],
            "worst_records": [each.to_json() for each in self.worst],
            **self.account(),
        }
