"""Numbers as reports and the tables of the terminal write them."""

from __future__ import annotations

from anysize.evaluation.intervals import Interval


def counted(count: int, singular: str, plural: str) -> str:
    """``1 record is``, ``2,345 records are``."""
    return f"{count:,} {singular if count == 1 else plural}"


def percent(value: float) -> str:
    """``83.4 %``."""
    return f"{100 * value:.1f} %"


def between(interval: Interval) -> str:
    """``81.9 … 84.7 %``."""
    return f"{100 * interval.low:.1f} … {100 * interval.high:.1f} %"


def points(difference: float) -> str:
    """A difference of two shares: ``+1.2`` percentage points."""
    return f"{100 * difference:+.1f}"


def probability(value: float) -> str:
    """A p-value to three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
