"""What an evaluation of translations holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.evaluation.intervals import Interval
from anysize.evaluation.passing import Account

METRICS = ("bleu", "chrf")
MODEL, COPY = "model", "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthScores:
    """Scores of records whose sources have ``low`` to ``high`` characters."""

    low: int
    high: int
    records: int
    bleu: float
    chrf: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTranslation:
    """A record as the report shows it.

    Attributes:
        index: its place in the source.
        id: of the record.
        chrf: of it alone.
        prediction, reference: at most their first characters.
    """

    index: int
    id: str
    chrf: float
    prediction: str
    reference: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "chrf": self.chrf, "prediction": self.prediction}


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationEvaluation(Account):
    """How well texts are translated.

    Attributes:
        systems: of the model and of copying the source, the value of each metric, 0 to 100.
        intervals: of the model's.
        tokenizers: of sacrebleu, by which BLEU counts words: records of each.
        ratio: characters of the translations for each of the references.
        lengths: scores by the length of the source.
        segments: how many there were, how many were tried again, and how many are doubtful.
        worst, best: records with the lowest and the highest chrF, these first.
    """

    systems: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Interval]
    tokenizers: Mapping[str, int]
    ratio: float
    lengths: tuple[LengthScores, ...]
    segments: Mapping[str, int]
    worst: tuple[ShownTranslation, ...]
    best: tuple[ShownTranslation, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return {name: self.systems[MODEL][name] for name in METRICS}

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.receipts.records,
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "tokenizers": dict(self.tokenizers),
            "length_ratio": self.ratio,
            "baselines": {COPY: dict(self.systems[COPY])},
            "segments": dict(self.segments),
            "by_length": [each.to_json() for each in self.lengths],
            "worst_records": [each.to_json() for each in self.worst],
            **self.account(),
        }
