"""Numbers and panels as the report and the terminal tables write them."""

from __future__ import annotations

from html import escape

from anysize.evaluation.intervals import Interval


def section(title: str, words: str, body: str) -> str:
    """A titled panel; ``body`` is HTML, the rest is escaped."""
    lead = f'<p class="muted small">{escape(words)}</p>' if words else ""
    return f"<section><h2>{escape(title)}</h2>{lead}{body}</section>"


def counted(count: int, singular: str, plural: str) -> str:
    """``1 record is``, ``2,345 records are``."""
    return f"{count:,} {singular if count == 1 else plural}"


def percent(value: float) -> str:
    """``83.4 %``."""
    return f"{100 * value:.1f} %"


def between(interval: Interval) -> str:
    """``81.9 … 84.7 %``."""
    return f"{100 * interval.low:.1f} … {100 * interval.high:.1f} %"


def probability(value: float) -> str:
    """A p-value to three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
