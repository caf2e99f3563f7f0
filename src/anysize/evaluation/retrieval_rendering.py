"""An evaluation of embeddings as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.evaluation.numbers import between, percent, points
from anysize.evaluation.rendering import blank_table, render, unreadable, warning
from anysize.evaluation.retrieval_result import RetrievalEvaluation

WORDS = {
    "passages": "nearest passage",
    "text": "vector of the whole text",
    "truncated": "first window alone (truncation)",
}


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(RetrievalEvaluation, _evaluation)


def _evaluation(evaluation: RetrievalEvaluation) -> RenderableType:
    table = blank_table("found by", "recall at 1", "95% interval", "at 5", "at 10", "mrr")
    for name, way in evaluation.ways.items():
        table.add_row(
            WORDS[name],
            percent(way.recall[1]),
            between(way.interval),
            percent(way.recall[5]),
            percent(way.recall[10]),
            f"{way.mrr:.3f}",
        )
    difference, receipts = evaluation.difference, evaluation.receipts
    words = (
        f"passages minus truncation: {points(difference.difference)} points "
        f"({points(difference.interval.low)} … {points(difference.interval.high)}); "
        f"{evaluation.texts:,} texts in {receipts.windows:,} windows, "
        f"{receipts.longer_than_window:,} longer than one"
    )
    parts: list[RenderableType] = [table, Text(words)]
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records without a query not scored"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
