"""What an evaluation of embeddings holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.evaluation.intervals import Interval, PairedDifference
from anysize.evaluation.passing import Account

WAYS = ("passages", "text", "truncated")
"""How a text is found: by its nearest window, its own vector, that of its first window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How well texts are found in one way.

    Attributes:
        recall: the part of the queries whose text is among the first 1, 5, 10.
        interval: of the recall at 1.
        mrr: mean reciprocal rank.
    """

    recall: Mapping[int, float]
    interval: Interval
    mrr: float

    def to_json(self) -> dict[str, Any]:
        found = {f"recall_at_{most}": value for most, value in self.recall.items()}
        return {**found, "mrr": self.mrr, "recall_at_1_interval": self.interval.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FarText:
    """A text that its query does not find.

    Attributes:
        id: of the record.
        query: its own.
        rank: of the text, by its nearest passage.
    """

    id: str
    query: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalEvaluation(Account):
    """How well each text is found by its own query among all texts.

    Attributes:
        texts: how many.
        ways: by ``passages``, ``text`` and ``truncated``.
        difference: recall at 1 by passages minus that of truncation.
        worst: the texts that are found worst by passages.
    """

    texts: int
    ways: Mapping[str, Way]
    difference: PairedDifference
    worst: tuple[FarText, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        best = self.ways["passages"]
        return {
            "recall_at_1": best.recall[1],
            "recall_at_5": best.recall[5],
            "recall_at_10": best.recall[10],
            "mrr": best.mrr,
            "text_recall_at_1": self.ways["text"].recall[1],
            "truncated_recall_at_1": self.ways["truncated"].recall[1],
        }

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.texts,
            "ways": {name: way.to_json() for name, way in self.ways.items()},
            "passages_minus_truncated": self.difference.to_json(),
            "worst_texts": [
                {"id": each.id, "query": each.query, "rank": each.rank} for each in self.worst
            ],
            **self.account(),
        }
