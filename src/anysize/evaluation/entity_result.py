"""What an evaluation of entities holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.entities import Entity
from anysize.evaluation.passing import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Entities that are right (label and both ends agree), found and wanted."""

    right: int = 0
    found: int = 0
    wanted: int = 0

    @property
    def precision(self) -> float:
        """Of those found, the part that is right; 0 where none was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Of those wanted, the part that was found; 0 where there is none."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.found + self.wanted
        return 2 * self.right / both if both else 0.0

    def to_json(self) -> dict[str, float]:
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "right": self.right,
            "found": self.found,
            "wanted": self.wanted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongRecord:
    """A record with many errors.

    Attributes:
        index: its place in the source.
        id: of the record.
        missed: entities that were not found.
        false: what was found instead.
    """

    index: int
    id: str
    missed: tuple[Entity, ...]
    false: tuple[Entity, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "missed": [_json(each) for each in self.missed],
            "false": [_json(each) for each in self.false],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityEvaluation(Account):
    """How well the entities of texts are found.

    Attributes:
        total: over all labels.
        labels: by label, those of the data and of the model.
        worst: the records with the most errors, worst first.
    """

    total: Counts
    labels: Mapping[str, Counts]
    worst: tuple[WrongRecord, ...]

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1, over labels that are in the data or were found."""
        scores = [each.f1 for each in self.labels.values() if each.found or each.wanted]
        return sum(scores) / len(scores) if scores else 0.0

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        total = self.total
        return {
            "f1": total.f1,
            "precision": total.precision,
            "recall": total.recall,
            "macro_f1": self.macro_f1,
        }

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.receipts.records,
            "entities": self.total.to_json(),
            "labels": {label: each.to_json() for label, each in self.labels.items()},
            "worst_records": [each.to_json() for each in self.worst],
            **self.account(),
        }


def _json(entity: Entity) -> dict[str, Any]:
    return {"label": entity.label, "start": entity.start, "end": entity.stop}
