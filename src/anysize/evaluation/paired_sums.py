"""How much worse one system's texts are than another's by a metric of a whole corpus.

Such a metric (BLEU, a mean of ROUGE, perplexity) is one of sums over the records, so a resample of
the records costs a sum (Koehn 2004, "Statistical significance tests for machine translation
evaluation").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.results import Result
from anysize.evaluation.intervals import percentiles, resamples
from anysize.evaluation.paired_numbers import PairedDrop

Sums = NDArray[np.float64]


@runtime_checkable
class Summing(Protocol):
    """An evaluator whose main metric is one of sums over the records."""

    def record_sums(self, result: Result, target: Any) -> NDArray[Any]:
        """What a record adds, ``[k]``.

        Args:
            result: of the record.
            target: of the record, as it is in the data.
        """
        ...

    def metric_of_sums(self, sums: NDArray[Any]) -> float:
        """The main metric of summed records ``[k]``."""
        ...


@runtime_checkable
class Observing(Summing, Protocol):
    """A summing evaluator whose metric is a mean over smaller things than records.

    Attributes:
        OBSERVED: what they are, in the plural.
    """

    OBSERVED: str

    def observed(self, sums: NDArray[Any]) -> int:
        """How many of them there are in summed records ``[k]``."""
        ...


def paired_sums_drop(
    first: Sums,
    second: Sums,
    measure: Callable[[Sums], float],
    metric: str,
    *,
    lower: bool = False,
    scale: float = 1.0,
    relative: bool = True,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDrop:
    """Compares two systems by a metric of sums, drawing records with both.

    Args:
        first: what each record of the first system adds, ``[records, k]``.
        second: the same of the second system, in the same order.
        measure: from summed records ``[k]`` to the metric.
        metric: its name.
        lower: whether a lower value is better.
        scale: what the metric's values are divided by.
        relative: whether what a metric rises by, of which lower is better, is a part of the first
            system's.
        replicates: resamples.
        level: of the interval.
        seed: of the resamples.

    Raises:
        ConfigurationError: there are no records.
    """
    count = len(first)
    if not count:
        raise ConfigurationError("a paired comparison needs records, and there are none")

    def drop(times: NDArray[Any]) -> float:
        before, after = measure(times @ first), measure(times @ second)
        if not lower:
            return (before - after) / scale
        return (after - before) / (before if before and relative else scale)

    drops = [drop(times) for times in resamples(count, replicates, seed)]
    return PairedDrop(
        metric=metric,
        difference=drop(np.ones(count)),
        interval=percentiles(drops, level),
        records=count,
    )
