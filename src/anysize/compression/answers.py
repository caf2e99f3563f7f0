"""What bundles answered, record by record, and how one compares with another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anysize.evaluation.intervals import PairedCounts, PairedDifference, paired_difference
from anysize.evaluation.paired_numbers import PairedDrop, paired_drop
from anysize.evaluation.paired_sums import paired_sums_drop
from anysize.heads.number_meter import METRICS as OF_NUMBERS

# Metrics that are not from 0 to 1, as the others that something may be lost of are.
SCALES = {"bleu": 100.0, "chrf": 100.0}
# Of metrics in which lower is better, those that have a natural scale: what they rise by is
# counted in points, where others have it as a part of the original's.
RATES = frozenset({"wer", "cer"})


@dataclass(frozen=True, slots=True)
class Answers:
    """What a bundle answered, record by record.

    Attributes:
        predictions: places of labels; -1 where the answer is none.
        correct: whether they are right.
        values: numbers that were answered; not-a-number where the answer is none.
        targets: the true numbers.
        sums: what each record adds to a metric of sums, ``[records, k]``; not-a-number where it
            has no part in it. Empty where the metric is another.
    """

    predictions: NDArray[np.int32]
    correct: NDArray[np.bool_]
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    targets: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def comparable(self) -> bool:
        """Whether every record was answered by a label."""
        return len(self.predictions) > 0 and bool((self.predictions >= 0).any())


def compared(
    original: Answers | None,
    candidate: Answers | None,
    metric: str,
    *,
    lower: bool,
    of_sums: Callable[[NDArray[np.float64]], float] | None,
) -> tuple[PairedDifference | PairedDrop | None, float | None]:
    """What the metric loses on the same records, with its interval, and how often both agree."""
    if original is None or candidate is None:
        return None, None
    if metric in OF_NUMBERS and len(original.values) == len(candidate.values):
        both = np.isfinite(original.targets + original.values + candidate.values)
        if both.any():
            wanted, first, second = (
                each[both] for each in (original.targets, original.values, candidate.values)
            )
            return paired_drop(wanted, first, second, metric, lower=lower), None
    if of_sums is not None:
        sums = original.sums, candidate.sums
        return _compared_sums(*sums, metric, of_sums, lower=lower), None
    if not original.comparable or len(original.correct) != len(candidate.correct):
        return None, None
    paired = paired_difference(PairedCounts.of(original.correct, candidate.correct))
    return paired, float(np.mean(original.predictions == candidate.predictions))


def _compared_sums(
    original: NDArray[np.float64],
    candidate: NDArray[np.float64],
    metric: str,
    of_sums: Callable[[NDArray[np.float64]], float],
    *,
    lower: bool,
) -> PairedDrop | None:
    """Over the records that both have a part in the metric with; one alone has no interval."""
    if original.ndim != 2 or original.shape != candidate.shape:
        return None
    both = ~np.isnan(original + candidate).any(axis=1)
    if np.count_nonzero(both) < 2:
        return None
    scale = SCALES.get(metric, 1.0)
    return paired_sums_drop(
        original[both],
        candidate[both],
        of_sums,
        metric,
        lower=lower,
        scale=scale,
        relative=metric not in RATES,
    )
