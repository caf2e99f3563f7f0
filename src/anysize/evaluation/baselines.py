"""What any model has to beat: the largest class, and itself cut to one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.evaluation.intervals import (
    Interval,
    PairedCounts,
    PairedDifference,
    paired_difference,
    wilson,
)
from anysize.evaluation.metrics import ClassificationMetrics, ClassificationSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simple system's score on the same records, and how far the model is from it.

    Attributes:
        name: its key in ``metrics.json`` (``majority_class``, ``one_window``).
        description: what it does, in words.
        difference: the model's accuracy minus the baseline's.
    """

    name: str
    description: str
    accuracy: float
    macro_f1: float
    interval: Interval
    difference: PairedDifference

    def to_json(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "interval": self.interval.to_json(),
            "model_minus_baseline": self.difference.to_json(),
        }


def majority_class(
    summary: ClassificationSummary,
    training_counts: Mapping[str, int] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Baseline:
    """Always answers with the largest class.

    Which one that is comes from the training data where their counts are known, else from the
    evaluated data (which flatters the baseline); the description says which. Among equals the
    first in the order of the labels.
    """
    rows = summary.classes
    known = {row.label: (training_counts or {}).get(row.label, 0) for row in rows}
    if any(known.values()):
        place, counted = "training data", known
    else:
        place, counted = "evaluated data", {row.label: row.support for row in rows}
    best = max(rows, key=lambda row: counted[row.label])
    hits = best.support
    counts = PairedCounts(
        both=best.correct,
        first_only=summary.correct - best.correct,
        second_only=hits - best.correct,
        neither=summary.records - summary.correct - hits + best.correct,
    )
    present = sum(1 for row in rows if row.support or row.label == best.label)
    return Baseline(
        name="majority_class",
        description=f"always {best.label!r}, the largest class of the {place}",
        accuracy=hits / summary.records,
        macro_f1=2 * hits / (summary.records + hits) / present,
        interval=wilson(hits, summary.records, level),
        difference=paired_difference(counts, level=level, seed=seed),
    )


class OneWindow:
    """The same model on one window of each record, scored beside the full run.

    Fed in step with the full run; where any record has no one-window answer the baseline
    cannot be had, because the two would not be scored on the same records.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._metrics = ClassificationMetrics(labels)
        self._cells: NDArray[np.int64] = np.zeros((2, 2), dtype=np.int64)
        self.missing = 0

    def add_many(
        self,
        targets: NDArray[np.int64],
        full: NDArray[np.float64],
        one: NDArray[np.float64],
    ) -> None:
        """Adds ``[n]`` targets with both systems' ``[n, classes]`` probabilities."""
        self._metrics.add_many(targets, one)
        right_full = full.argmax(axis=1) == targets
        right_one = one.argmax(axis=1) == targets
        np.add.at(self._cells, (right_full.astype(int), right_one.astype(int)), 1)

    def baseline(self, description: str, *, level: float = 0.95, seed: int = 0) -> Baseline | None:
        """The finished comparison, or None where some records lacked an answer."""
        if self.missing or not self._metrics.records:
            return None
        summary = self._metrics.summary()
        cells = self._cells
        counts = PairedCounts(
            both=int(cells[1, 1]),
            first_only=int(cells[1, 0]),
            second_only=int(cells[0, 1]),
            neither=int(cells[0, 0]),
        )
        return Baseline(
            name="one_window",
            description=description,
            accuracy=summary.accuracy,
            macro_f1=summary.macro_f1,
            interval=wilson(summary.correct, summary.records, level),
            difference=paired_difference(counts, level=level, seed=seed),
        )
