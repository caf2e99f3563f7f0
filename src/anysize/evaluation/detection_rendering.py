"""An evaluation of object detection as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anysize.evaluation.detection_result import DetectionEvaluation
from anysize.evaluation.numbers import percent
from anysize.evaluation.rendering import blank_table, render, unreadable, warning

_MOST_CLASSES = 20


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(DetectionEvaluation, _evaluation)


def _evaluation(evaluation: DetectionEvaluation) -> RenderableType:
    table = blank_table("metric", "value")
    for name, value in evaluation.main().items():
        table.add_row(name, percent(value))
    classes = blank_table("class", "objects", "ap", "ap50", "recall50")
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
        parts.append(warning(f"left out, because the model does not know their labels: {names}"))
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} pictures without annotations"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
