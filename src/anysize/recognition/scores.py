"""How well scores separate same from different: error rates at every threshold.

A pair of samples is *genuine* when both are of one identity, else an *impostor* pair. It is
accepted when its score (a cosine) reaches the threshold. The false-accept rate (FAR) is the share
of impostor pairs that are accepted, the true-accept rate (TAR) that of genuine pairs, and the
false-reject rate (FRR) is the rest of the genuine ones (ISO/IEC 19795-1).

Scores are counted in ``BINS`` equal steps from -1 to 1 and never kept, so memory does not grow
with the number of pairs, and the counts of several workers are added up. A threshold is exact to
one step, 7.6e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError

BINS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """One threshold and what it costs.

    Attributes:
        threshold: the lowest cosine that is accepted.
        false_accept_rate, true_accept_rate: shares of the impostor and of the genuine pairs.
    """

    threshold: float
    false_accept_rate: float
    true_accept_rate: float

    def to_json(self) -> dict[str, float]:
        return {
            "threshold": self.threshold,
            "false_accept_rate": self.false_accept_rate,
            "true_accept_rate": self.true_accept_rate,
        }


class ScoreCounts:
    """Counts of genuine and impostor scores, ``[2, BINS]``."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, BINS), dtype=np.int64)

    def add(self, scores: NDArray[Any], same: NDArray[np.bool_]) -> None:
        """Counts pairs.

        Args:
            scores: cosines, any shape.
            same: of that shape: whether the pair is genuine.
        """
        index = bins_of(scores)
        for row, chosen in enumerate((index[same], index[~same])):
            self._counts[row] += np.bincount(chosen, minlength=BINS)

    def join(self, other: ScoreCounts) -> None:
        """Adds the counts of another part of the pairs."""
        self._counts += other._counts

    @property
    def genuine(self) -> int:
        """Number of genuine pairs."""
        return int(self._counts[0].sum())

    @property
    def impostor(self) -> int:
        """Number of impostor pairs."""
        return int(self._counts[1].sum())

    def histogram(self, bars: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Genuine and impostor counts in ``bars`` equal steps from -1 to 1 (a power of two)."""
        joined = self._counts.reshape(2, bars, -1).sum(axis=2)
        return joined[0], joined[1]

    def rates(self) -> Rates:
        """Error rates at every threshold at which they change.

        Raises:
            DataError: no genuine or no impostor pair.
        """
        if not self.genuine or not self.impostor:
            raise DataError(
                "pairs",
                f"{self.genuine} pairs of one identity and {self.impostor} of two were compared; "
                "both are needed: give at least two identities, one of them with two samples",
            )
        used = np.flatnonzero(self._counts.any(axis=0))
        return rates_of(used, self._counts[0, used], self._counts[1, used])


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Error rates at rising thresholds; the first accepts everything, the last nothing.

    Attributes:
        thresholds: float64 ``[points]``.
        false_accept, true_accept: float64 ``[points]``, falling.
    """

    thresholds: NDArray[np.float64]
    false_accept: NDArray[np.float64]
    true_accept: NDArray[np.float64]

    def equal_error(self) -> tuple[float, float]:
        """The equal error rate (EER) and its threshold.

        It lies where FAR and FRR cross; between two thresholds both are taken as straight lines,
        so that few scores and ties give one well-defined value.
        """
        false_reject = 1 - self.true_accept
        gap = false_reject - self.false_accept  # rises from -1 to 1
        after = int(np.argmax(gap >= 0))
        before = after - 1
        part = float(-gap[before] / (gap[after] - gap[before]))
        far = self.false_accept[before] + part * (
            self.false_accept[after] - self.false_accept[before]
        )
        threshold = self.thresholds[before] + part * (
            self.thresholds[after] - self.thresholds[before]
        )
        return float(far), float(threshold)

    def at_false_accept(self, rate: float) -> Operating:
        """The lowest threshold whose FAR is at most ``rate``; nothing is interpolated."""
        place = int(np.argmax(self.false_accept <= rate))
        return self._operating(place)

    def at_threshold(self, threshold: float) -> Operating:
        """FAR and TAR when pairs are accepted from ``threshold`` on."""
        place = min(int(np.searchsorted(self.thresholds, threshold)), len(self.thresholds) - 1)
        found = self._operating(place)
        return Operating(
            threshold=threshold,
            false_accept_rate=found.false_accept_rate,
            true_accept_rate=found.true_accept_rate,
        )

    def _operating(self, place: int) -> Operating:
        return Operating(
            threshold=float(self.thresholds[place]),
            false_accept_rate=float(self.false_accept[place]),
            true_accept_rate=float(self.true_accept[place]),
        )


def rates_of(bins: NDArray[np.int64], genuine: NDArray[Any], impostor: NDArray[Any]) -> Rates:
    """Rates of weighted counts.

    Args:
        bins: rising bin numbers ``[points]``.
        genuine: weight of the genuine scores in each of them, ``[points]``.
        impostor: weight of the impostor scores, ``[points]``.
    """
    edges = np.append(bins, bins[-1] + 1)
    accepted = [
        np.append(np.cumsum(part[::-1])[::-1], 0) / part.sum() for part in (genuine, impostor)
    ]
    return Rates(
        thresholds=edges * (2 / BINS) - 1, true_accept=accepted[0], false_accept=accepted[1]
    )


def bins_of(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The bin of each cosine; rounding errors beyond -1 and 1 stay in the outermost bins."""
    if not np.isfinite(scores).all():
        raise DataError("scores", "some are not finite numbers; the embeddings are not usable")
    steps = np.floor((scores.astype(np.float64) + 1) * (BINS / 2)).astype(np.int64)
    return np.clip(steps, 0, BINS - 1)


def check_rate(name: str, rate: float) -> None:
    """Refuses a rate that is not between 0 and 1."""
    if not 0 < rate < 1:
        raise ConfigurationError(f"{name} must be between 0 and 1, such as 0.001, not {rate}")
