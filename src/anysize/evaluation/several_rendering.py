"""An evaluation of several labels as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anysize.evaluation.numbers import between, percent
from anysize.evaluation.rendering import blank_table, read_in, render, unreadable, warning
from anysize.evaluation.several_result import SeveralEvaluation

_MOST_LABELS = 20


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(SeveralEvaluation, _evaluation)


def _evaluation(evaluation: SeveralEvaluation) -> RenderableType:
    table = blank_table("metric", "value", "95% interval")
    for name, value in evaluation.metrics.items():
        interval = evaluation.intervals.get(name)
        table.add_row(name, percent(value), between(interval) if interval else "")
    compared = blank_table("baseline", "macro_f1", "micro_f1", "subset_accuracy")
    for each in evaluation.baselines:
        compared.add_row(
            escape(f"{each.name}: {each.description}"), *map(percent, each.metrics.values())
        )
    labels = blank_table("label", "records", "precision", "recall", "f1", "threshold")
    for row in evaluation.rows[:_MOST_LABELS]:
        labels.add_row(
            escape(row.label),
            f"{row.support:,}",
            percent(row.precision),
            percent(row.recall),
            percent(row.f1),
            f"{row.threshold:.3f}",
        )
    more = len(evaluation.rows) - _MOST_LABELS
    if more > 0:
        labels.add_row(f"… {more:,} more labels", *[""] * 5)
    receipts = evaluation.receipts
    words = (
        f"{read_in(evaluation.records, receipts.windows)}; "
        f"{receipts.longer_than_window:,} longer than one window, "
        f"{receipts.fully_covered:,} read completely"
    )
    parts: list[RenderableType] = [table, compared, labels, Text(words)]
    if evaluation.unknown_labels:
        names = ", ".join(list(evaluation.unknown_labels)[:10])
        parts.append(warning(f"labels that the model does not know, not scored: {names}"))
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records without labels not scored"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
