"""How good ordered labels are: agreement that counts how far off, distance in ranks, accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result

METRICS = ("quadratic_kappa", "mae", "accuracy")

Confusion: TypeAlias = NDArray[np.int64]

_LEAST = 1e-6


def measured(confusion: NDArray[Any]) -> dict[str, float]:
    """The metrics of counts ``[targets, predictions]`` in the order of the labels.

    ``quadratic_kappa`` is Cohen's kappa with squared distances for weights (Cohen 1968), ``mae``
    the mean distance in ranks.
    """
    total = float(confusion.sum())
    ranks = np.arange(len(confusion))
    gaps = np.abs(ranks[:, None] - ranks[None, :]).astype(np.float64)
    chance = np.outer(confusion.sum(1), confusion.sum(0)) / max(total, 1.0)
    expected = float((gaps**2 * chance).sum())
    found = float((gaps**2 * confusion).sum())
    return {
        "quadratic_kappa": 1 - found / expected if expected else float(not found),
        "mae": float((gaps * confusion).sum()) / max(total, 1.0),
        "accuracy": float(np.trace(confusion)) / max(total, 1.0),
    }


class RankMeter:
    """What validation asks of a head of ordered labels.

    Args:
        labels: from the lowest to the highest.
        metric: what checkpoints are compared by.
    """

    def __init__(self, labels: Sequence[str], metric: str) -> None:
        self._places = {label: place for place, label in enumerate(labels)}
        self._metric = metric
        self._counts: Confusion = np.zeros((len(labels), len(labels)), np.int64)
        self._loss = 0.0

    def add(self, result: Result, target: str) -> None:
        self._counts[self._places[target], self._places[result.prediction]] += 1
        self._loss -= math.log(max(result.details["probabilities"][target], _LEAST))

    def state(self) -> tuple[Confusion, float]:
        return self._counts, self._loss

    def join(self, states: Sequence[tuple[Confusion, float]]) -> None:
        self._counts = np.sum([counts for counts, _ in states], axis=0)
        self._loss = sum(loss for _, loss in states)

    def score(self) -> tuple[float, float]:
        count = max(int(self._counts.sum()), 1)
        return measured(self._counts)[self._metric], self._loss / count
