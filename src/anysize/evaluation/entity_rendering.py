"""An evaluation of entities as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anysize.evaluation.entity_result import EntityEvaluation
from anysize.evaluation.numbers import percent
from anysize.evaluation.rendering import blank_table, read_in, render, unreadable, warning

_MOST_LABELS = 30


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(EntityEvaluation, _evaluation)


def _evaluation(evaluation: EntityEvaluation) -> RenderableType:
    main = blank_table("metric", "value")
    for name, value in evaluation.main().items():
        main.add_row(name, percent(value))
    labels = blank_table("label", "entities", "found", "precision", "recall", "f1")
    ranked = sorted(evaluation.labels.items(), key=lambda each: -each[1].wanted)
    for label, each in ranked[:_MOST_LABELS]:
        labels.add_row(
            escape(label),
            f"{each.wanted:,}",
            f"{each.found:,}",
            percent(each.precision),
            percent(each.recall),
            percent(each.f1),
        )
    more = len(ranked) - _MOST_LABELS
    if more > 0:
        labels.add_row(f"… {more:,} more labels", "", "", "", "", "")
    receipts = evaluation.receipts
    words = (
        f"{read_in(receipts.records, receipts.windows)}, "
        f"{receipts.longer_than_window:,} longer than one"
    )
    parts: list[RenderableType] = [main, labels, Text(words)]
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records without tags or entities"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
