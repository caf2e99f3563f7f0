"""An evaluation of predicted numbers as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anysize.evaluation.number_result import NumberEvaluation
from anysize.evaluation.numbers import percent, quantity
from anysize.evaluation.rendering import blank_table, read_in, render, unreadable, warning


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(NumberEvaluation, _evaluation)


def _evaluation(evaluation: NumberEvaluation) -> RenderableType:
    table = blank_table("metric", "value", "95% interval")
    for name, value in evaluation.metrics.items():
        interval = evaluation.intervals.get(name)
        share = name == "interval_coverage"
        shown = percent(value) if share else quantity(value)
        bounds = ""
        if interval is not None:
            ends = (interval.low, interval.high)
            bounds = " … ".join(percent(end) if share else quantity(end) for end in ends)
        table.add_row(name, shown, bounds)
    compared = blank_table("baseline", "mae", "rmse", "r2", "model minus baseline, mae")
    for each in evaluation.baselines:
        compared.add_row(
            escape(f"{each.name}: {each.description}"),
            quantity(each.mae),
            quantity(each.rmse),
            f"{each.r2:.4f}",
            f"{quantity(each.difference, signed=True)} ("
            f"{quantity(each.interval.low, signed=True)} … "
            f"{quantity(each.interval.high, signed=True)})",
        )
    receipts = evaluation.receipts
    words = (
        f"{read_in(evaluation.records, receipts.windows)}; "
        f"{receipts.longer_than_window:,} longer than one window, "
        f"{receipts.fully_covered:,} read completely"
    )
    parts: list[RenderableType] = [table, compared, Text(words)]
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records without a number not scored"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
