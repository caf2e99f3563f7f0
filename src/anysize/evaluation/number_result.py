"""What an evaluation of predicted numbers holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.excerpts import Excerpt
from anysize.evaluation.intervals import Interval, percentiles
from anysize.evaluation.passing import Account
from anysize.heads.number_meter import Numbers

_DRAWN_AT_ONCE = 20_000_000
_FEWEST, _MOST = 50, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBaseline:
    """A simple estimate on the same records.

    Attributes:
        name: its key in ``metrics.json`` (``mean``, ``median``, ``one_window``).
        description: what it does, in words.
        difference: the model's mean absolute error minus its own; below zero the model is better.
    """

    name: str
    description: str
    mae: float
    rmse: float
    r2: float
    difference: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "mae": self.mae,
            "rmse": self.rmse,
            "r2": self.r2,
            "model_minus_baseline_mae": self.difference,
            "interval": self.interval.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FarMiss:
    """A record whose estimate is far from the truth."""

    ordinal: int
    id: str
    target: float
    prediction: float
    excerpt: Excerpt | None = None

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "target": self.target, "prediction": self.prediction}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsBySize:
    """Mean absolute error of the records whose size lies in ``[low, high]``."""

    low: int
    high: int
    records: int
    mae: float

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "records": self.records, "mae": self.mae}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberEvaluation(Account):
    """How a model of numbers did on records with known numbers.

    Attributes:
        target: what is estimated.
        records: how many were scored.
        metrics: by name; ``interval_coverage`` and ``interval_width`` where there are intervals.
        intervals: of some of them.
        level: of the prediction intervals; None without any.
        baselines: simple estimates on the same records.
        pairs: true and predicted numbers ``[n, 2]``, of very many an even sample.
        by_extent: the error against the size of the input.
        far: the largest errors, largest first.
    """

    target: str
    records: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    level: float | None
    baselines: tuple[NumberBaseline, ...]
    pairs: Numbers
    by_extent: tuple[ErrorsBySize, ...]
    far: tuple[FarMiss, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return dict(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds."""
        return {
            **self.main(),
            "target": self.target,
            "interval_level": self.level,
            "records": self.records,
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "baselines": {each.name: each.to_json() for each in self.baselines},
            "mae_by_extent": [each.to_json() for each in self.by_extent],
            "largest_errors": [each.to_json() for each in self.far],
            **self.account(),
        }


def bootstrap(pairs: Numbers, *, level: float = 0.95, seed: int = 0) -> dict[str, Interval]:
    """Percentile bootstrap intervals (Efron 1979) of ``r2``, ``rmse`` and ``mae``.

    Args:
        pairs: true and predicted numbers ``[n, 2]``.
        level: of the intervals.
        seed: of the resamples.
    """
    if not len(pairs):
        raise ConfigurationError("a bootstrap needs at least one record, not none")
    draws = _draws(len(pairs), seed)
    errors = pairs[:, 1] - pairs[:, 0]
    found: dict[str, list[float]] = {"r2": [], "rmse": [], "mae": []}
    for chosen in draws:
        squared = float((errors[chosen] ** 2).mean())
        spread = float(pairs[chosen, 0].var())
        found["r2"].append(1 - squared / spread if spread else 0.0)
        found["rmse"].append(squared**0.5)
        found["mae"].append(float(np.abs(errors[chosen]).mean()))
    return {name: percentiles(values, level) for name, values in found.items()}


def bootstrap_mean(values: Numbers, *, level: float = 0.95, seed: int = 0) -> Interval:
    """A percentile bootstrap interval of a mean."""
    means = [float(values[chosen].mean()) for chosen in _draws(len(values), seed)]
    return percentiles(means, level)


def _draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Resamples, fewer of very many records."""
    generator = np.random.default_rng(seed)
    for _ in range(max(_FEWEST, min(_MOST, _DRAWN_AT_ONCE // count))):
        yield generator.integers(count, size=count)
