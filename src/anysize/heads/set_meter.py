"""How good sets of labels are: F1 by label and over all decisions, whole sets, precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result

METRICS = ("macro_f1", "micro_f1", "subset_accuracy", "average_precision")

MOST_KEPT = 1 << 24
"""Probabilities that are kept, of all labels together; of more records, an even sample."""

Truth: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.float32]
State: TypeAlias = tuple[int, Scores, Truth]

_LEAST = 1e-6


class SetScores:
    """Probabilities and truth of records, label by label.

    Args:
        labels: how many there are.
    """

    def __init__(self, labels: int) -> None:
        self.count = 0
        self._most = max(MOST_KEPT // max(labels, 1), 1)
        self._scores: list[NDArray[np.float32]] = []
        self._truth: list[NDArray[np.bool_]] = []
        self._labels = labels
        self._draws = np.random.default_rng(0)

    def add(self, scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
        """Takes a record: ``[labels]`` each."""
        self.count += 1
        if len(self._scores) < self._most:
            self._scores.append(scores)
            self._truth.append(truth)
            return
        # Reservoir sampling (Vitter 1985): every record is as likely to be kept.
        place = int(self._draws.integers(self.count))
        if place < self._most:
            self._scores[place], self._truth[place] = scores, truth

    def state(self) -> State:
        """All of it, to be joined with others."""
        return self.count, self.scores, self.truth

    def join(self, states: Sequence[State]) -> None:
        """Replaces what was taken by several of them together."""
        self.count = sum(count for count, _, _ in states)
        self._scores = [row for _, scores, _ in states for row in scores][: self._most]
        self._truth = [row for _, _, truth in states for row in truth][: self._most]

    @property
    def scores(self) -> Scores:
        """Of the kept records ``[n, labels]``."""
        return np.array(self._scores, np.float32).reshape(-1, self._labels)

    @property
    def truth(self) -> Truth:
        """The same shape."""
        return np.array(self._truth, bool).reshape(-1, self._labels)


FEW = 5
"""Records with a label from which on it has a threshold of its own."""


def best_thresholds(scores: Scores, truth: Truth) -> NDArray[np.float64]:
    """For each label the threshold with the highest F1.

    A threshold that is chosen by a handful of records fits these alone, and finds the label in far
    too many others (Fan and Lin 2007, A study on threshold selection for multi-label
    classification): labels that fewer than `FEW` records have share one, chosen by all of them.

    Args:
        scores: ``[n, labels]``.
        truth: the same.
    """
    counts = truth.sum(0)
    found = np.full(scores.shape[1], 0.5)
    for label in np.flatnonzero(counts >= FEW):
        found[label] = _best_threshold(scores[:, label], truth[:, label])
    rare = counts < FEW
    if counts[rare].any():
        found[rare] = _best_threshold(scores[:, rare].ravel(), truth[:, rare].ravel())
    return found


def _best_threshold(scores: Scores, truth: Truth) -> float:
    """Half-way between the two neighbouring scores, ``[n]``, where the F1 is highest."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    right = np.cumsum(truth[order])
    predicted = np.arange(1, len(order) + 1)
    # Equal scores are predicted together: only the last of them is a place to cut.
    cuts = np.append(ranked[1:] < ranked[:-1], True)
    f1 = np.where(cuts, 2 * right / (predicted + truth.sum()), -1.0)
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float(ranked[best] + below) / 2


def average_precision(scores: Scores, truth: Truth) -> NDArray[np.float64]:
    """Mean precision over the recalls, label by label; nan where a label is not there.

    As ``sklearn.metrics.average_precision_score``: a sum of steps, not interpolated.
    """
    found = np.full(scores.shape[1], np.nan)
    for label in range(scores.shape[1]):
        there = truth[:, label]
        if not there.any():
            continue
        order = np.argsort(-scores[:, label], kind="stable")
        ranked = scores[order, label]
        ends = np.append(np.flatnonzero(ranked[1:] < ranked[:-1]), len(ranked) - 1)
        right = np.cumsum(there[order])[ends]
        precision, recall = right / (ends + 1), right / there.sum()
        found[label] = float((np.diff(recall, prepend=0.0) * precision).sum())
    return found


def f1_of(right: NDArray[Any], told: NDArray[Any], there: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of counts; 0 where a label is neither there nor predicted."""
    both = told + there
    found: NDArray[np.float64] = np.zeros(len(both))
    np.divide(2.0 * right, both, out=found, where=both > 0)
    return found


def measured(told: Truth, truth: Truth) -> dict[str, float]:
    """``macro_f1``, ``micro_f1`` and ``subset_accuracy`` of decisions ``[n, labels]``.

    The macro mean is over all labels, as in scikit-learn.
    """
    right, said, there = (each.sum(0) for each in (told & truth, told, truth))
    both = int(said.sum() + there.sum())
    return {
        "macro_f1": float(f1_of(right, said, there).mean()),
        "micro_f1": 2 * int(right.sum()) / both if both else 0.0,
        "subset_accuracy": float((told == truth).all(1).mean()),
    }


class SetMeter:
    """What validation asks of a head of several labels; its thresholds are the best ones.

    Args:
        labels: of the model.
        metric: what checkpoints are compared by.
    """

    def __init__(self, labels: Sequence[str], metric: str) -> None:
        self._places = {label: place for place, label in enumerate(labels)}
        self._metric = metric
        self._kept = SetScores(len(labels))

    def add(self, result: Result, target: Sequence[str]) -> None:
        likely = result.details["probabilities"]
        truth = np.zeros(len(self._places), bool)
        truth[[self._places[name] for name in target if name in self._places]] = True
        self._kept.add(np.array([likely[name] for name in self._places], np.float32), truth)

    def state(self) -> State:
        return self._kept.state()

    def join(self, states: Sequence[State]) -> None:
        self._kept.join(states)

    def score(self) -> tuple[float, float]:
        scores, truth = self._kept.scores, self._kept.truth
        likely = scores.clip(_LEAST, 1 - _LEAST).astype(np.float64)
        loss = -np.where(truth, np.log(likely), np.log(1 - likely)).mean()
        if self._metric == "average_precision":
            return float(np.nanmean(average_precision(scores, truth))), float(loss)
        told = scores >= best_thresholds(scores, truth)
        return measured(told, truth)[self._metric], float(loss)

    def calibration(self) -> Mapping[str, Any]:
        """The best threshold of each label, and how many records say so."""
        found = best_thresholds(self._kept.scores, self._kept.truth)
        return {
            "thresholds": [round(float(each), 6) for each in found],
            "records": self._kept.count,
        }
