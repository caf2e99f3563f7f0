"""How much worse one system estimates numbers than another, on the same records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anysize.core.errors import ConfigurationError
from anysize.evaluation.intervals import Interval, percentiles
from anysize.heads.number_meter import Numbers, rank_correlation

_MOST_DRAWN = 20_000_000
_FEWEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDrop:
    """What a metric of numbers loses from the first system to the second.

    Attributes:
        metric: its name.
        difference: the first system's minus the second's; of a metric in which lower is better,
            what it rises by as a part of the first system's.
        interval: paired percentile bootstrap.
        records: that both answered.
    """

    metric: str
    difference: float
    interval: Interval
    records: int

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "difference": self.difference,
            "interval": self.interval.to_json(),
            "records": self.records,
        }


def paired_drop(
    targets: Numbers,
    first: Numbers,
    second: Numbers,
    metric: str,
    *,
    lower: bool,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDrop:
    """Compares two systems by a metric, drawing records with the answers of both.

    Args:
        targets: true numbers ``[n]``; the answers have the same order.
        first: the first system's numbers ``[n]``.
        second: the second system's.
        metric: ``r2``, ``rmse``, ``mae`` or ``spearman``.
        lower: whether a lower one is better.
        replicates: resamples; fewer are drawn of very many records.
        level: of the interval.
        seed: of the resamples.

    Raises:
        ConfigurationError: no records, or another metric.
    """
    if metric not in _METRICS or not len(targets):
        raise ConfigurationError(
            f"a paired comparison of numbers needs records and one of {', '.join(_METRICS)}, not "
            f"{len(targets)} records and {metric!r}"
        )
    measure = _METRICS[metric]

    def drop(chosen: Any) -> float:
        wanted = targets[chosen]
        before, after = measure(wanted, first[chosen]), measure(wanted, second[chosen])
        if not lower:
            return before - after
        return (after - before) / before if before else after - before

    generator = np.random.default_rng(seed)
    count = len(targets)
    times = max(_FEWEST, min(replicates, _MOST_DRAWN // count))
    drops = [drop(generator.integers(count, size=count)) for _ in range(times)]
    return PairedDrop(
        metric=metric,
        difference=drop(slice(None)),
        interval=percentiles(drops, level),
        records=count,
    )


def _r2(wanted: Numbers, found: Numbers) -> float:
    spread = float(wanted.var())
    squared = float(((found - wanted) ** 2).mean())
    return 1 - squared / spread if spread else float(not squared)


def _rmse(wanted: Numbers, found: Numbers) -> float:
    return math.sqrt(float(((found - wanted) ** 2).mean()))


def _mae(wanted: Numbers, found: Numbers) -> float:
    return float(np.abs(found - wanted).mean())


_METRICS: Mapping[str, Callable[[Numbers, Numbers], float]] = {
    "r2": _r2, "rmse": _rmse, "mae": _mae, "spearman": rank_correlation,
}  # fmt: skip
