"""An evaluation of a language model as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.evaluation.language_result import LanguageEvaluation
from anysize.evaluation.rendering import blank_table, render, unreadable, warning


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(LanguageEvaluation, _evaluation)


def rows_of(evaluation: LanguageEvaluation) -> list[tuple[str, str]]:
    """Each metric with its value, then the baselines' perplexities of a token."""
    found = [(name, f"{value:,.3f}") for name, value in evaluation.main().items()]
    found += [(each.name, f"{each.perplexity:,.3f}") for each in evaluation.baselines]
    return found


def _evaluation(evaluation: LanguageEvaluation) -> RenderableType:
    main = blank_table("metric", "value")
    for name, value in rows_of(evaluation):
        main.add_row(name, value)
    receipts = evaluation.receipts
    words = (
        f"{evaluation.tokens:,} tokens, each counted once, in {receipts.records:,} records and "
        f"{receipts.windows:,} windows of {evaluation.window:,} tokens, of which each predicts "
        f"{evaluation.stride:,}"
    )
    parts: list[RenderableType] = [main, Text(words)]
    parts += [warning(notice) for notice in evaluation.notices]
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
