"""Evaluation of the classification tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluate.evaluation import Evaluation, evaluate
from anysize.evaluate.report import write_report

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = (
    "text-classification",
    "image-classification",
    "tabular-classification",
    "time-series-classification",
)


def measure(results: Iterable[Result | ErrorResult], *, card: Card, source: Source) -> Evaluation:
    """Accuracy and what goes with it; see ``evaluation.evaluate``."""
    return evaluate(
        results,
        card.labels,
        source=source,
        training_counts=card.provenance.get("label_counts"),
    )
