"""Metrics of one label for each record, by which validation can compare checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result

METRICS = ("macro_f1", "balanced_accuracy", "log_loss")

Counts: TypeAlias = NDArray[np.int64]

_LEAST = 1e-6


class ClassMeter:
    """Counts right and wrong answers by class.

    Args:
        labels: of the model.
        metric: what validation compares checkpoints by.
    """

    def __init__(self, labels: Sequence[str], metric: str) -> None:
        self._places = {label: place for place, label in enumerate(labels)}
        self._metric = metric
        # Of each class: records, predictions, right ones.
        self._counts: Counts = np.zeros((3, len(labels)), np.int64)
        self._loss = 0.0

    def add(self, result: Result, target: str) -> None:
        place, answer = self._places[target], self._places[result.prediction]
        self._counts[0, place] += 1
        self._counts[1, answer] += 1
        self._counts[2, place] += place == answer
        self._loss -= math.log(max(result.details["probabilities"][target], _LEAST))

    def state(self) -> tuple[Counts, float]:
        return self._counts, self._loss

    def join(self, states: Sequence[tuple[Counts, float]]) -> None:
        self._counts = np.sum([counts for counts, _ in states], axis=0)
        self._loss = sum(loss for _, loss in states)

    def score(self) -> tuple[float, float]:
        there, told, right = self._counts
        loss = self._loss / max(int(there.sum()), 1)
        return float(getattr(self, f"_{self._metric}")(there, told, right, loss)), loss

    @staticmethod
    def _macro_f1(there: Counts, told: Counts, right: Counts, _loss: float) -> float:
        """Over the classes that occur among targets or predictions, as evaluation has it."""
        seen = (there + told) > 0
        return float((2 * right[seen] / (there + told)[seen]).mean())

    @staticmethod
    def _balanced_accuracy(there: Counts, _told: Counts, right: Counts, _loss: float) -> float:
        """Mean recall of the classes that occur."""
        seen = there > 0
        return float((right[seen] / there[seen]).mean())

    @staticmethod
    def _log_loss(_there: Counts, _told: Counts, _right: Counts, loss: float) -> float:
        return loss
