"""How far a measured score can be trusted: confidence intervals and paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anysize.core.errors import ConfigurationError

_CELLS_A_RUN = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval ``[low, high]`` at ``level``, with how it was made."""

    low: float
    high: float
    level: float
    method: str

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "level": self.level, "method": self.method}


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927), sound for few trials and near 0 or 1.

    Raises:
        ConfigurationError: no trials, more successes than trials, or a level outside (0, 1).
    """
    _check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise ConfigurationError(
            f"an interval needs 0 <= successes <= trials and trials >= 1, "
            f"not {successes} of {trials}"
        )
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At the ends the formula gives 0 and 1 up to rounding; state them exactly.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(low=low, high=high, level=level, method="wilson")


def percentiles(scores: Sequence[float] | NDArray[np.float64], level: float = 0.95) -> Interval:
    """The percentile interval (Efron 1979) of what bootstrap resamples scored, ``[replicates]``."""
    low, high = np.quantile(np.asarray(scores), [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, method="bootstrap")


def resamples(records: int, replicates: int = 1000, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """How often each record is drawn in a bootstrap resample, ``[records]``."""
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(generator.integers(records, size=records), minlength=records)


def bootstrap_macro_f1(
    confusion: NDArray[np.int64], *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """A percentile bootstrap interval (Efron 1979) of macro-F1.

    Drawing records with replacement and then counting is the same as drawing the confusion
    matrix's cells from a multinomial, so no record has to be kept.

    Args:
        confusion: ``[targets, predictions]`` counts.
        replicates: resamples; fewer are drawn where the matrix has very many occupied cells.
        level: share of resamples inside the interval.
        seed: of the resamples.
    """
    _check_level(level)
    rows, columns = np.nonzero(confusion)
    counts = confusion[rows, columns]
    total = int(counts.sum())
    if not total:
        raise ConfigurationError("a bootstrap needs at least one record, not none")
    drawn = max(100, min(replicates, _CELLS_A_RUN // len(counts)))
    generator = np.random.default_rng(seed)
    size = len(confusion)
    scores = np.empty(drawn)
    for replicate in range(drawn):
        sample = generator.multinomial(total, counts / total).astype(np.float64)
        both = np.bincount(rows, sample, size) + np.bincount(columns, sample, size)
        right = np.bincount(rows, sample * (rows == columns), size)
        seen = both > 0
        scores[replicate] = (2 * right[seen] / both[seen]).mean()
    return percentiles(scores, level)


def bootstrap_means(
    values: NDArray[np.float64], *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> list[Interval]:
    """Percentile bootstrap intervals (Efron 1979) of the means of columns.

    Of differences on the same records they are paired.

    Args:
        values: ``[records, columns]``, at least one record.
        replicates: resamples of the records.
        level: share of resamples inside an interval.
        seed: of the resamples.
    """
    _check_level(level)
    records = len(values)
    generator = np.random.default_rng(seed)
    even = np.full(records, 1 / records)
    means = [
        generator.multinomial(records, even) @ values / records for _ in range(max(replicates, 1))
    ]
    return [percentiles(column, level) for column in np.stack(means, axis=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """Two systems on the same records: how often both, one or neither was right."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def records(self) -> int:
        return self.both + self.first_only + self.second_only + self.neither

    @staticmethod
    def of(first: ArrayLike, second: ArrayLike) -> PairedCounts:
        """Counts two boolean arrays ``[records]`` of "was right", in the same order.

        Raises:
            ConfigurationError: they are not equally long.
        """
        one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
        if one.shape != two.shape or one.ndim != 1:
            raise ConfigurationError(
                f"a paired comparison needs two lists of the same records, "
                f"not shapes {list(one.shape)} and {list(two.shape)}"
            )
        return PairedCounts(
            both=int((one & two).sum()),
            first_only=int((one & ~two).sum()),
            second_only=int((~one & two).sum()),
            neither=int((~one & ~two).sum()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Accuracy of the first system minus that of the second, on the same records.

    Attributes:
        interval: paired percentile bootstrap.
        p_value: exact two-sided McNemar test (McNemar 1947): how probable so uneven a split of
            the records that only one system got right would be, were both equally good.
    """

    difference: float
    interval: Interval
    p_value: float
    counts: PairedCounts

    def to_json(self) -> dict[str, Any]:
        return {
            "difference": self.difference,
            "interval": self.interval.to_json(),
            "mcnemar_p": self.p_value,
            "both_correct": self.counts.both,
            "only_first_correct": self.counts.first_only,
            "only_second_correct": self.counts.second_only,
            "neither_correct": self.counts.neither,
        }


def paired_difference(
    counts: PairedCounts, *, replicates: int = 10_000, level: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Compares two systems' accuracy on the same records.

    The bootstrap draws the four cells of ``counts`` from a multinomial, which is the same as
    drawing records (with both systems' answers) with replacement.

    Raises:
        ConfigurationError: no records, or a level outside (0, 1).
    """
    _check_level(level)
    total = counts.records
    if not total:
        raise ConfigurationError("a paired comparison needs at least one record, not none")
    cells = np.array([counts.both, counts.first_only, counts.second_only, counts.neither])
    draws = np.random.default_rng(seed).multinomial(total, cells / total, size=replicates)
    differences = (draws[:, 1] - draws[:, 2]) / total
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(
        difference=(counts.first_only - counts.second_only) / total,
        interval=Interval(low=float(low), high=float(high), level=level, method="paired bootstrap"),
        p_value=mcnemar(counts.first_only, counts.second_only),
        counts=counts,
    )


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test; 1.0 where the systems never differ."""
    total, fewer = first_only + second_only, min(first_only, second_only)
    if first_only == second_only:
        return 1.0
    # log C(total, k) for k = 0 … fewer, as running sums: no factorial overflows.
    index = np.arange(1, fewer + 1)
    terms = np.concatenate([[0.0], np.cumsum(np.log((total - index + 1) / index))])
    largest = terms.max()
    tail = math.log(float(np.exp(terms - largest).sum())) + largest - total * math.log(2)
    return min(1.0, 2 * math.exp(tail))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigurationError(f"level must be between 0 and 1, not {level}")
