"""An evaluation of summaries as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.core.rouge import METRICS
from anysize.evaluation.numbers import between, percent
from anysize.evaluation.rendering import blank_table, read_in, render, unreadable, warning
from anysize.evaluation.summary_result import MODEL, SummaryEvaluation


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(SummaryEvaluation, _evaluation)


def _evaluation(evaluation: SummaryEvaluation) -> RenderableType:
    model = evaluation.systems[MODEL]
    main = blank_table("metric", "value", "interval")
    for name in METRICS:
        main.add_row(name, percent(model.means[name]), between(model.intervals[name]))
    others = blank_table("baseline", *METRICS)
    for key, each in evaluation.systems.items():
        if key != MODEL:
            others.add_row(key, *(percent(each.means[name]) for name in METRICS))
    receipts = evaluation.receipts
    words = (
        f"{read_in(receipts.records, receipts.windows)}; summaries of "
        f"{evaluation.words[0]:.0f} words, references of {evaluation.words[1]:.0f}"
    )
    notices = [warning(line) for line in evaluation.notices("summary") if "read" not in line]
    failed = unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(main, others, Text(words), *notices, *failed)
