"""What an evaluation found, and what ``metrics.json`` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.core.results import ErrorResult
from anysize.evaluate.baselines import Baseline
from anysize.evaluate.intervals import Interval
from anysize.evaluate.lengths import LengthBin, ReceiptSummary
from anysize.evaluate.metrics import ClassificationSummary, most_confused
from anysize.evaluate.mistakes import Mistake

_LARGEST_MATRIX_IN_JSON = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How much an evaluation keeps, and how it states its uncertainty.

    Attributes:
        mistakes: how many of the worst mistakes to keep.
        failures: how many unreadable records to name (all are counted).
        level: of every confidence interval.
        seed: of the bootstraps.
    """

    mistakes: int = 24
    failures: int = 100
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.mistakes < 0:
            problems.append(f"mistakes must not be negative, not {self.mistakes}")
        if self.failures < 0:
            problems.append(f"failures must not be negative, not {self.failures}")
        if not 0 < self.level < 1:
            problems.append(f"level must be between 0 and 1, not {self.level}")
        if problems:
            raise ConfigurationError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model did on labelled records.

    Attributes:
        labels: the model's classes.
        summary: the metrics, over records that could be read and whose label the model knows.
        accuracy_interval: Wilson.
        macro_f1_interval: bootstrap; None above 2048 classes.
        baselines: the majority class, and one window per record where that is known.
        receipts: what was read.
        by_windows, by_extent: accuracy against the number of windows and the input's extent.
        mistakes: the worst, worst first.
        without_target: records that had no label; not scored.
        unknown_labels: labels of the data that the model does not have, with their counts (the
            first 100 names); such records are not scored.
        unknown_label_records: how many records had such a label.
        failure_count, failures: records that could not be read; the first are named.
    """

    labels: tuple[str, ...]
    summary: ClassificationSummary
    accuracy_interval: Interval
    macro_f1_interval: Interval | None
    baselines: tuple[Baseline, ...]
    receipts: ReceiptSummary
    by_windows: tuple[LengthBin, ...]
    by_extent: tuple[LengthBin, ...]
    mistakes: tuple[Mistake, ...]
    without_target: int
    unknown_labels: Mapping[str, int]
    unknown_label_records: int
    failure_count: int
    failures: tuple[ErrorResult, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return self.summary.main()

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        intervals = {"accuracy": self.accuracy_interval.to_json()}
        if self.macro_f1_interval is not None:
            intervals["macro_f1"] = self.macro_f1_interval.to_json()
        return {
            **self.main(),
            "records": self.summary.records,
            "failed_records": self.failure_count,
            "records_without_target": self.without_target,
            "unknown_label_records": self.unknown_label_records,
            "unknown_labels": dict(self.unknown_labels),
            "intervals": intervals,
            "baselines": {baseline.name: baseline.to_json() for baseline in self.baselines},
            "classes": [row.to_json() for row in self.summary.classes],
            "confusion": self._confusion_json(),
            "calibration": [entry.to_json() for entry in self.summary.calibration],
            "receipts": self.receipts.to_json(),
            "accuracy_by_windows": [entry.to_json() for entry in self.by_windows],
            "accuracy_by_extent": [entry.to_json() for entry in self.by_extent],
            "worst_mistakes": [mistake.to_json() for mistake in self.mistakes],
            "failures": [failure.to_json() for failure in self.failures],
        }

    def _confusion_json(self) -> dict[str, Any]:
        confusion = self.summary.confusion
        if confusion is not None and len(self.labels) <= _LARGEST_MATRIX_IN_JSON:
            return {"labels": list(self.labels), "matrix": confusion.tolist()}
        return {"most_confused": [pair.to_json() for pair in most_confused(self.summary, 100)]}
