"""Classification metrics as a stream: counts are kept, never records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anysize.core.errors import ConfigurationError, RunError

CALIBRATION_BINS = 15
LARGEST_CONFUSION = 2048
"""Above so many classes only per-class counts are kept, not the confusion matrix."""

# Results carry six decimals, so 0 is anything below half of the last one.
_SMALLEST_PROBABILITY = 5e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class's line of the per-class table.

    ``precision`` is 0 where the class was never predicted, ``recall`` where it does not occur.
    """

    label: str
    support: int
    predicted: int
    correct: int
    precision: float
    recall: float
    f1: float

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
            "predicted": self.predicted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Predictions whose confidence lies in ``(low, high]``."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        return {
            "low": self.low,
            "high": self.high,
            "count": self.count,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationSummary:
    """Metrics of a finished stream.

    Attributes:
        records: how many predictions were compared with a target.
        correct: how many of them were right.
        macro_f1: mean F1 over the classes that occur among targets or predictions (what
            ``sklearn.metrics.f1_score(average="macro")`` computes).
        ece: expected calibration error of the predicted class's probability over 15 bins of
            equal width (Guo et al. 2017, "On Calibration of Modern Neural Networks").
        log_loss: mean negative natural logarithm of the target's probability, which counts
            as 5e-7 at least (results are rounded to six decimals).
        top5: share of records whose target is among the five most probable classes; None with
            five classes or fewer.
        classes: one row per class, in the order of the labels.
        confusion: ``[targets, predictions]`` int64 counts; None above 2048 classes.
        calibration: the bins that ``ece`` was computed from.
    """

    records: int
    correct: int
    accuracy: float
    macro_f1: float
    ece: float
    log_loss: float
    top5: float | None
    classes: tuple[ClassRow, ...]
    confusion: NDArray[np.int64] | None
    calibration: tuple[CalibrationBin, ...]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that occur in the data."""
        found = [row.recall for row in self.classes if row.support]
        return sum(found) / len(found)

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by their names in ``metrics.json``."""
        values = {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "ece": self.ece,
            "log_loss": self.log_loss,
            "balanced_accuracy": self.balanced_accuracy,
        }
        if self.top5 is not None:
            values["top5"] = self.top5
        return values


class ClassificationMetrics:
    """Counts what accuracy, F1, calibration and confusion need.

    Memory depends on the number of classes alone. Ties between classes go to the one that comes
    first in ``labels``.

    Args:
        labels: the model's classes, in the order of its probabilities.

    Raises:
        ConfigurationError: no labels, or a label twice.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        if not labels:
            raise ConfigurationError("labels must name at least one class, not none")
        if len(set(labels)) != len(labels):
            twice = sorted({label for label in labels if labels.count(label) > 1})
            raise ConfigurationError(f"labels must differ from each other; twice: {twice[:5]}")
        self.labels = tuple(labels)
        size = len(self.labels)
        self._support = np.zeros(size, dtype=np.int64)
        self._predicted = np.zeros(size, dtype=np.int64)
        self._correct = np.zeros(size, dtype=np.int64)
        self._confusion = (
            np.zeros((size, size), dtype=np.int64) if size <= LARGEST_CONFUSION else None
        )
        self._bin_count = np.zeros(CALIBRATION_BINS, dtype=np.int64)
        self._bin_correct = np.zeros(CALIBRATION_BINS, dtype=np.int64)
        self._bin_confidence = np.zeros(CALIBRATION_BINS, dtype=np.float64)
        self._log_loss = 0.0
        self._top5 = 0

    @property
    def records(self) -> int:
        """How many predictions were added."""
        return int(self._support.sum())

    def add(self, target: int, probabilities: ArrayLike) -> None:
        """Adds one record: its target's index and ``[classes]`` probabilities."""
        self.add_many([target], np.asarray(probabilities, dtype=np.float64)[None])

    def add_many(self, targets: ArrayLike, probabilities: ArrayLike) -> None:
        """Adds ``[n]`` target indices and ``[n, classes]`` probabilities.

        Raises:
            ConfigurationError: shapes do not fit, or a target is out of range.
            RunError: a probability is not a finite number.
        """
        truth = np.asarray(targets, dtype=np.int64)
        table = np.asarray(probabilities, dtype=np.float64)
        self._check(truth, table)
        if not len(truth):
            return
        rows = np.arange(len(truth))
        guess = table.argmax(axis=1)
        confidence = table[rows, guess]
        right = guess == truth
        np.add.at(self._support, truth, 1)
        np.add.at(self._predicted, guess, 1)
        np.add.at(self._correct, truth[right], 1)
        if self._confusion is not None:
            np.add.at(self._confusion, (truth, guess), 1)
        # Bins are open at the left and closed at the right, as in Guo et al.
        bins = np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1
        bins = bins.clip(0, CALIBRATION_BINS - 1)
        np.add.at(self._bin_count, bins, 1)
        np.add.at(self._bin_correct, bins, right)
        np.add.at(self._bin_confidence, bins, confidence)
        own = table[rows, truth]
        self._log_loss -= float(np.log(np.maximum(own, _SMALLEST_PROBABILITY)).sum())
        if len(self.labels) > 5:
            # Rank of the target, with ties in the order of the labels.
            before = (table > own[:, None]).sum(axis=1)
            index = np.arange(table.shape[1])
            tied = ((table == own[:, None]) & (index < truth[:, None])).sum(axis=1)
            self._top5 += int(((before + tied) < 5).sum())

    def _check(self, truth: NDArray[np.int64], table: NDArray[np.float64]) -> None:
        size = len(self.labels)
        if table.shape != (len(truth), size):
            raise ConfigurationError(
                f"probabilities must have shape [{len(truth)}, {size}], not {list(table.shape)}"
            )
        if len(truth) and not (truth.min() >= 0 and truth.max() < size):
            raise ConfigurationError(
                f"targets must be from 0 to {size - 1}, not {int(truth.min())} … {int(truth.max())}"
            )
        if not np.isfinite(table).all():
            raise RunError("the model gave probabilities that are not finite numbers")

    def summary(self) -> ClassificationSummary:
        """What the stream so far amounts to.

        Raises:
            ConfigurationError: nothing was added.
        """
        records = self.records
        if not records:
            raise ConfigurationError("metrics need at least one record with a target, not none")
        precision = _ratio(self._correct, self._predicted)
        recall = _ratio(self._correct, self._support)
        f1 = _ratio(2 * self._correct, self._support + self._predicted)
        seen = (self._support + self._predicted) > 0
        correct = int(self._correct.sum())
        gaps = np.abs(self._bin_correct - self._bin_confidence)
        return ClassificationSummary(
            records=records,
            correct=correct,
            accuracy=correct / records,
            macro_f1=float(f1[seen].mean()),
            ece=float(gaps.sum()) / records,
            log_loss=self._log_loss / records,
            top5=self._top5 / records if len(self.labels) > 5 else None,
            classes=tuple(
                ClassRow(
                    label=label,
                    support=int(self._support[index]),
                    predicted=int(self._predicted[index]),
                    correct=int(self._correct[index]),
                    precision=float(precision[index]),
                    recall=float(recall[index]),
                    f1=float(f1[index]),
                )
                for index, label in enumerate(self.labels)
            ),
            confusion=None if self._confusion is None else self._confusion.copy(),
            calibration=self._calibration(),
        )

    def _calibration(self) -> tuple[CalibrationBin, ...]:
        confidence = _ratio(self._bin_confidence, self._bin_count)
        accuracy = _ratio(self._bin_correct, self._bin_count)
        return tuple(
            CalibrationBin(
                low=index / CALIBRATION_BINS,
                high=(index + 1) / CALIBRATION_BINS,
                count=int(self._bin_count[index]),
                confidence=float(confidence[index]),
                accuracy=float(accuracy[index]),
            )
            for index in range(CALIBRATION_BINS)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """``count`` records of class ``target`` were called ``prediction``."""

    target: str
    prediction: str
    count: int
    share: float

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "prediction": self.prediction,
            "count": self.count,
            "share": self.share,
        }


def most_confused(summary: ClassificationSummary, most: int = 20) -> tuple[ConfusedPair, ...]:
    """The pairs of classes mistaken most often, largest count first.

    ``share`` is the count over the target class's support.
    """
    if summary.confusion is None:
        return ()
    wrong = summary.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = []
    for target, guess in zip(*np.unravel_index(order, wrong.shape), strict=True):
        count = int(wrong[target, guess])
        if count:
            row = summary.classes[int(target)]
            other = summary.classes[int(guess)].label
            pairs.append(
                ConfusedPair(
                    target=row.label, prediction=other, count=count, share=count / row.support
                )
            )
    return tuple(pairs)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """``above / below``, and 0 where there is nothing to divide by."""
    result = np.zeros(len(below), dtype=np.float64)
    np.divide(above, below, out=result, where=below > 0)
    return result
