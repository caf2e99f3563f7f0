"""An evaluation of answers as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from anysize.evaluation.answer_result import AnswerBin, AnswerEvaluation
from anysize.evaluation.numbers import between, percent, points
from anysize.evaluation.rendering import blank_table, render, unreadable, warning


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(AnswerEvaluation, _evaluation)


def _evaluation(evaluation: AnswerEvaluation) -> RenderableType:
    main = blank_table("metric", "value", "95% interval")
    for name, value in evaluation.main().items():
        interval = evaluation.intervals.get(name)
        share = not name.endswith("threshold")
        main.add_row(
            name,
            percent(value) if share else f"{value:.2f}",
            "" if interval is None else between(interval),
        )
    compared = blank_table("baseline", "exact match", "f1", "model minus baseline, f1")
    for each in evaluation.baselines:
        compared.add_row(
            escape(f"{each.name}: {each.description}"),
            percent(each.exact),
            percent(each.f1),
            f"{points(each.difference)} ({points(each.interval.low)} … "
            f"{points(each.interval.high)})",
        )
    receipts = evaluation.receipts
    words = (
        f"{evaluation.questions:,} questions about {evaluation.contexts:,} contexts, "
        f"{evaluation.answerable:,} with an answer; {receipts.windows:,} windows, "
        f"{receipts.longer_than_window:,} contexts longer than one, "
        f"{receipts.fully_covered:,} read completely"
    )
    parts: list[RenderableType] = [main, compared]
    if len(evaluation.by_length) > 1:
        parts.append(_bins("tokens of the context", evaluation.by_length))
    if evaluation.by_depth:
        parts.append(_bins("place of the answer, % of the context", evaluation.by_depth))
    parts.append(Text(words))
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records say nothing of answers"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)


def _bins(name: str, bins: Sequence[AnswerBin]) -> Table:
    table = blank_table(name, "questions", "exact match", "f1", "first window, f1")
    for each in bins:
        first = "" if each.first_window is None else percent(each.first_window)
        table.add_row(
            f"{each.low:,} to {each.high:,}",
            f"{each.records:,}",
            percent(each.exact),
            percent(each.f1),
            first,
        )
    return table
