"""ROUGE-L over records, for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anysize.core.results import Result
from anysize.core.rouge import best


@dataclass(slots=True)
class RougeMeter:
    """Mean ROUGE-L (F1) of the best reference; the loss that decides is what is missing to 1."""

    total: float = 0.0
    records: int = 0

    def add(self, result: Result, target: Any) -> None:
        self.total += best(str(result.prediction), target)["rougeL"].f1
        self.records += 1

    def state(self) -> tuple[float, int]:
        return self.total, self.records

    def join(self, states: Sequence[tuple[float, int]]) -> None:
        self.total = sum(total for total, _ in states)
        self.records = sum(records for _, records in states)

    def score(self) -> tuple[float, float]:
        found = self.total / max(self.records, 1)
        return found, 1 - found
