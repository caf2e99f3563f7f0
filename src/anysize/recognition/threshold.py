"""Thresholds for a stated false-accept rate, with how sure one can be of them.

What is calibrated on is a list of impostor scores: what strangers reached. For a search in a
gallery that is each stranger's *best* score over all people in it, because one accepted person is
enough for a false accept; for the comparison of two samples it is the score of each pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.recognition.scores import check_rate

Method: TypeAlias = Literal["counted", "normal tail"]

_LEAST_ACCEPTED = 3
_LEAST_SCORES = 8
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold and what it rests on.

    Attributes:
        value: the lowest cosine that is accepted.
        asked: the false-accept rate that was asked for.
        measured: the share of the calibration scores that it accepts.
        upper: the one-sided 95 % upper bound of the true rate (Wilson 1927), which takes the
            scores as independent: they come from ``people`` strangers only, so with few of them
            it is too low.
        scores: how many impostor scores there were.
        people: how many strangers they came from.
        method: ``counted`` where the scores are enough to count at the rate asked for, else
            ``normal tail``: the rate lies beyond what was seen, and the upper tail of a normal
            distribution with the scores' mean and deviation is used.
    """

    value: float
    asked: float
    measured: float
    upper: float
    scores: int
    people: int
    method: Method

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "asked": self.asked,
            "measured": self.measured,
            "upper": self.upper,
            "scores": self.scores,
            "people": self.people,
            "method": self.method,
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Threshold:
        """Reads what ``to_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: an entry is missing or of the wrong type.
        """
        method = entries["method"]
        if method not in ("counted", "normal tail"):
            raise ValueError(f"method {method!r}")
        return cls(
            value=float(entries["value"]),
            asked=float(entries["asked"]),
            measured=float(entries["measured"]),
            upper=float(entries["upper"]),
            scores=int(entries["scores"]),
            people=int(entries["people"]),
            method=cast(Method, method),
        )

    def words(self) -> str:
        """One sentence for the person who has to trust it."""
        how = (
            "counted"
            if self.method == "counted"
            else "beyond what was seen, from a normal tail: give more strangers to count it"
        )
        return (
            f"accepts from {self.value:.3f} on for a false-accept rate of {self.asked:g}; "
            f"{self.measured:.2%} of {self.scores:,} scores of {self.people:,} strangers reach it "
            f"(true rate at most {self.upper:.2%} at 95 %); {how}"
        )


def calibrate(scores: NDArray[Any], people: int, rate: float) -> Threshold:
    """The threshold that a share ``rate`` of the impostor scores reaches, at most.

    Args:
        scores: impostor scores, ``[n]``.
        people: how many strangers they came from.
        rate: the false-accept rate asked for.

    Raises:
        ConfigurationError: a rate that is not between 0 and 1.
        DataError: fewer than 8 scores.
    """
    check_rate("false_accept_rate", rate)
    values = np.sort(np.asarray(scores, dtype=np.float64))
    if len(values) < _LEAST_SCORES:
        raise DataError(
            "calibration",
            f"{len(values)} impostor scores, fewer than {_LEAST_SCORES}: a threshold cannot be "
            "calibrated; give a folder of other people (--calibrate FOLDER), or a threshold",
        )
    allowed = math.floor(rate * len(values))
    method: Method = "counted" if allowed >= _LEAST_ACCEPTED else "normal tail"
    # Just above the highest score that must be refused, as far as float32 scores can show.
    refused = np.float32(values[len(values) - allowed - 1])
    value = float(np.nextafter(refused, np.float32(np.inf)))
    if method == "normal tail":
        tail = values.mean() + NormalDist().inv_cdf(1 - rate) * values.std(ddof=1)
        value = max(value, float(tail))
    accepted = int((values >= value).sum())
    return Threshold(
        value=value,
        asked=rate,
        measured=accepted / len(values),
        upper=_upper(accepted, len(values)),
        scores=len(values),
        people=people,
        method=method,
    )


def _upper(successes: int, trials: int) -> float:
    z = NormalDist().inv_cdf(_LEVEL)
    share = successes / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return min(1.0, (middle + half) / (1 + z * z / trials))
