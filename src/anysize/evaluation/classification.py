"""Evaluation of what has one label for each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.evaluation import Evaluation, evaluate
from anysize.evaluation.report import write_report
from anysize.evaluation.run import EvaluationRun
from anysize.sources import target_counts

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("single_label_classification",)


def measure(results: Iterable[Result | ErrorResult], *, card: Card, source: Source) -> Evaluation:
    """Accuracy and what goes with it; see ``evaluation.evaluate``.

    Raises:
        DataError: nothing can be scored; where the targets show it, before the model is run.
    """
    _refuse_unscorable(source, card.labels)
    return evaluate(
        results,
        card.labels,
        source=source,
        training_counts=card.provenance.get("label_counts"),
    )


def _refuse_unscorable(source: Source, labels: Sequence[str]) -> None:
    counts = target_counts(source)
    if not counts.keys().isdisjoint(labels):
        return
    run = EvaluationRun(tuple(labels), most_mistakes=0, most_failures=0)
    if counts:
        run.unknown, run.unknown_records = Counter(counts), sum(counts.values())
    elif len(source):
        try:
            _ = source[0]
        except DataError:
            # Rows that cannot be read have no targets; what is wrong with them is reported later.
            return
        run.without_target = len(source)
    raise DataError(source.name, run.nothing_to_score())
