"""What an evaluation of several labels for each record holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anysize.core.excerpts import Excerpt
from anysize.evaluation.intervals import Interval, percentiles, resamples
from anysize.evaluation.passing import Account
from anysize.heads.set_meter import Truth, f1_of

_CELLS = 50_000_000
_FEWEST, _MOST = 50, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """One label's line of the table.

    ``precision`` is 0 where the label was never predicted, ``recall`` where no record has it; its
    average precision is then None.
    """

    label: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    threshold: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBaseline:
    """A simple system on the same records: ``macro_f1``, ``micro_f1`` and ``subset_accuracy``."""

    name: str
    description: str
    metrics: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {"description": self.description, **self.metrics}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSet:
    """A record with other labels than it should have.

    ``farthest`` is the largest distance of a label's probability from the truth.
    """

    id: str
    target: tuple[str, ...]
    prediction: tuple[str, ...]
    farthest: float
    excerpt: Excerpt | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "target": list(self.target),
            "prediction": list(self.prediction),
            "farthest": self.farthest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralEvaluation(Account):
    """How a model of several labels did.

    Attributes:
        labels: of the model.
        records: how many were scored.
        metrics: by name.
        intervals: of ``macro_f1``, ``micro_f1`` and ``subset_accuracy``.
        rows: label by label.
        baselines: simple systems on the same records.
        wrong: the most wrong records, worst first.
        unknown_labels: labels of the data that the model does not have; not scored.
    """

    labels: tuple[str, ...]
    records: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    rows: tuple[LabelRow, ...]
    baselines: tuple[SetBaseline, ...]
    wrong: tuple[WrongSet, ...]
    unknown_labels: Mapping[str, int]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return dict(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds."""
        return {
            **self.main(),
            "records": self.records,
            "unknown_labels": dict(self.unknown_labels),
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "baselines": {each.name: each.to_json() for each in self.baselines},
            "labels": [each.to_json() for each in self.rows],
            "worst_mistakes": [each.to_json() for each in self.wrong],
            **self.account(),
        }


def bootstrap(told: Truth, truth: Truth, *, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """Percentile bootstrap intervals (Efron 1979) over the records.

    Args:
        told: which labels were predicted ``[n, labels]``.
        truth: which are there.
        level: of the intervals.
        seed: of the resamples.
    """
    count, labels = truth.shape
    replicates = max(_FEWEST, min(_MOST, _CELLS // max(count * labels, 1)))
    cells = [each.astype(np.float32) for each in (told & truth, told, truth)]
    exact = (told == truth).all(1).astype(np.float32)
    found: dict[str, list[float]] = {"macro_f1": [], "micro_f1": [], "subset_accuracy": []}
    for times in resamples(count, replicates, seed):
        weights = times.astype(np.float32)
        right, said, there = (weights @ each for each in cells)
        found["macro_f1"].append(float(f1_of(right, said, there).mean()))
        both = float(said.sum() + there.sum())
        found["micro_f1"].append(2 * float(right.sum()) / both if both else 0.0)
        found["subset_accuracy"].append(float(weights @ exact) / count)
    return {name: percentiles(values, level) for name, values in found.items()}
