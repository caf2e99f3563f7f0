"""Numbers as reports and the tables of the terminal write them."""

from __future__ import annotations

import math

from anysize.evaluation.intervals import Interval


def percent(value: float) -> str:
    """``83.4 %``."""
    return f"{100 * value:.1f} %"


def between(interval: Interval) -> str:
    """``81.9 … 84.7 %``."""
    return f"{100 * interval.low:.1f} … {100 * interval.high:.1f} %"


def points(difference: float) -> str:
    """A difference of two shares: ``+1.2`` percentage points."""
    return f"{100 * difference:+.1f}"


def quantity(value: float, *, signed: bool = False) -> str:
    """A quantity in a unit of the data, to four digits: ``5,303``, ``0.01234``, ``+10,570``."""
    plus = "+" if signed else ""
    size = abs(value)
    if not math.isfinite(value) or (size and not 1e-6 <= size < 1e15):
        return f"{value:{plus}.4g}"
    decimals = max(3 - math.floor(math.log10(size)), 0) if size else 0
    return f"{value:{plus},.{decimals}f}"


def probability(value: float) -> str:
    """A p-value to three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
