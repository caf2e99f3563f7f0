"""How far predicted numbers are from the true ones: errors, R², rank correlation, coverage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result

METRICS = ("r2", "rmse", "mae", "spearman")

MOST_KEPT = 1 << 20
"""Pairs that ranks, quantiles and plots are made of; of more, an even sample."""

Numbers: TypeAlias = NDArray[np.float64]

State: TypeAlias = tuple[tuple[float, ...], Numbers]

_ROOM = 4096


@dataclass(slots=True)
class NumberCounts:
    """True and predicted numbers as a stream; sums are exact, ranks and quantiles of a sample.

    Attributes:
        count: pairs.
        absolute, squared: sums of the errors.
        mean, squares: of the true numbers, and their summed squared distance from the mean.
    """

    count: int = 0
    absolute: float = 0.0
    squared: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    _pairs: Numbers = field(default_factory=lambda: np.empty((0, 2)))
    _held: int = 0
    _draws: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def add(self, target: float, prediction: float) -> None:
        """Takes a pair."""
        error = prediction - target
        self.count += 1
        self.absolute += abs(error)
        self.squared += error * error
        gap = target - self.mean
        self.mean += gap / self.count
        self.squares += gap * (target - self.mean)
        place = self._held
        if self._held == MOST_KEPT:
            # Reservoir sampling (Vitter 1985): every pair is as likely to be kept.
            place = int(self._draws.integers(self.count))
            if place >= MOST_KEPT:
                return
        else:
            self._held += 1
            if place == len(self._pairs):
                more = np.empty((min(max(2 * place, _ROOM), MOST_KEPT), 2))
                more[:place] = self._pairs
                self._pairs = more
        self._pairs[place] = target, prediction

    @property
    def pairs(self) -> Numbers:
        """True and predicted numbers ``[n, 2]``."""
        return self._pairs[: self._held]

    def state(self) -> State:
        """All of it, to be joined with others."""
        return (self.count, self.absolute, self.squared, self.mean, self.squares), self.pairs

    def join(self, states: Sequence[State]) -> None:
        """Replaces what was counted by several counts together (Chan et al. 1979)."""
        count = sum(int(sums[0]) for sums, _ in states)
        mean = sum(sums[0] * sums[3] for sums, _ in states) / max(count, 1)
        self.squares = sum(sums[4] + sums[0] * (sums[3] - mean) ** 2 for sums, _ in states)
        self.absolute = sum(sums[1] for sums, _ in states)
        self.squared = sum(sums[2] for sums, _ in states)
        self.count, self.mean = count, mean
        pairs = np.concatenate([np.asarray(kept).reshape(-1, 2) for _, kept in states])
        if len(pairs) > MOST_KEPT:
            pairs = pairs[self._draws.choice(len(pairs), MOST_KEPT, replace=False)]
        self._pairs, self._held = pairs, len(pairs)

    def metric(self, name: str) -> float:
        """One of ``METRICS``."""
        return float(getattr(self, name)())

    def mae(self) -> float:
        """Mean absolute error."""
        return self.absolute / max(self.count, 1)

    def rmse(self) -> float:
        """Root of the mean squared error."""
        return math.sqrt(self.squared / max(self.count, 1))

    def r2(self) -> float:
        """Part of the variance that is explained; of numbers that are all alike 1 or 0."""
        if not self.squares:
            return float(not self.squared)
        return 1.0 - self.squared / self.squares

    def spearman(self) -> float:
        """Rank correlation (Spearman 1904); 0 where one side is all alike."""
        return rank_correlation(self.pairs[:, 0], self.pairs[:, 1])


def rank_correlation(one: Numbers, other: Numbers) -> float:
    """Spearman's: the correlation of the ranks, equal numbers sharing their mean rank."""
    first, second = _ranks(one), _ranks(other)
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float((first**2).sum()) * float((second**2).sum()))
    return float((first * second).sum()) / scale if scale else 0.0


def _ranks(values: Numbers) -> Numbers:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts).astype(np.float64)
    middle: Numbers = (ends - (counts - 1) / 2)[places]
    return middle


def conformal_width(errors: Numbers, level: float) -> float | None:
    """Half the width of an interval that holds a new value with that probability.

    The error at place ``ceil((n + 1) * level)`` in the order of size; None where there are too few
    of them.

    Args:
        errors: of records that were not learned from, exchangeable with those to come.
        level: between 0 and 1.
    """
    place = math.ceil((len(errors) + 1) * level - 1e-9)
    if not 1 <= place <= len(errors):
        return None
    return float(np.partition(np.abs(errors), place - 1)[place - 1])


class NumberMeter:
    """What validation asks of a head of numbers.

    Args:
        metric: what checkpoints are compared by.
        deviation: of the training targets, so that the loss is that of training.
        level: of the prediction interval.
    """

    def __init__(self, *, metric: str, deviation: float, level: float) -> None:
        self._metric, self._deviation, self._level = metric, deviation, level
        self._counts = NumberCounts()

    def add(self, result: Result, target: float) -> None:
        self._counts.add(target, result.prediction)

    def state(self) -> State:
        return self._counts.state()

    def join(self, states: Sequence[State]) -> None:
        self._counts.join(states)

    def score(self) -> tuple[float, float]:
        counts = self._counts
        loss = counts.squared / max(counts.count, 1) / self._deviation**2
        return counts.metric(self._metric), loss

    def calibration(self) -> Mapping[str, Any]:
        """Half the width of the prediction interval, and how many records say so."""
        pairs = self._counts.pairs
        width = conformal_width(pairs[:, 1] - pairs[:, 0], self._level)
        return {} if width is None else {"width": width, "records": len(pairs)}
