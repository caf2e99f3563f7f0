"""An evaluation of object detection as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from anysize.evaluation.detection_result import DetectionEvaluation
from anysize.evaluation.numbers import percent
from anysize.evaluation.rendering import render

_MOST_CLASSES = 20


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(DetectionEvaluation, _evaluation)


def _evaluation(evaluation: DetectionEvaluation) -> RenderableType:
    table = _table("metric", "value")
    for name, value in evaluation.main().items():
        table.add_row(name, percent(value))
    classes = _table("class", "objects", "ap", "ap50", "recall50")
    for each in evaluation.scores.classes[:_MOST_CLASSES]:
        classes.add_row(
            escape(each.label),
            f"{each.objects:,}",
            percent(each.ap),
            percent(each.ap50),
            percent(each.recall50),
        )
    more = len(evaluation.scores.classes) - _MOST_CLASSES
    if more > 0:
        classes.add_row(f"… {more:,} more classes", "", "", "", "")
    words = (
        f"{evaluation.objects:,} objects on {evaluation.pictures:,} pictures, "
        f"{evaluation.windows:,} windows; at a score of {evaluation.threshold:g}: "
        f"{evaluation.found:,} found, {evaluation.missed:,} missed, {evaluation.false:,} false"
    )
    parts: list[RenderableType] = [table, classes, Text(words)]
    if evaluation.unknown_labels:
        names = ", ".join(list(evaluation.unknown_labels)[:10])
        parts.append(_warning(f"left out, because the model does not know their labels: {names}"))
    if evaluation.without_target:
        parts.append(_warning(f"{evaluation.without_target:,} pictures without annotations"))
    if evaluation.failure_count:
        lines = [f"{evaluation.failure_count:,} records could not be read"]
        lines += [f"  {entry.id}: {entry.error}" for entry in evaluation.failures[:10]]
        parts.append(_warning("\n".join(lines)))
    return Group(*parts)


def _warning(words: str) -> Text:
    return Text(words, style="yellow")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    return table
