"""An evaluation of a language model as tables for a terminal, and its plot."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.text import Text

from anysize.evaluation.language_result import LanguageEvaluation, SizeBin
from anysize.evaluation.plots import ACCENT, canvas, svg
from anysize.evaluation.rendering import blank_table, render, unreadable, warning


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(LanguageEvaluation, _evaluation)


def rows_of(evaluation: LanguageEvaluation) -> list[tuple[str, str]]:
    """Each metric with its value, then the baselines' perplexities of a token."""
    found = [(name, f"{value:,.3f}") for name, value in evaluation.main().items()]
    found += [(each.name, f"{each.perplexity:,.3f}") for each in evaluation.baselines]
    return found


def by_length(bins: Sequence[SizeBin], *, conversations: bool) -> Markup | None:
    """The perplexity against the length of the records, as inline SVG; None of a single bin.

    Args:
        bins: by length.
        conversations: whether the tokens are those of answers.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if len(bins) < 2:
        return None
    figure, axes = canvas(9.4, 3.6)
    places = range(len(bins))
    axes.plot(
        places, [each.perplexity for each in bins], color=ACCENT, marker="o", markersize=4,
        linewidth=1.5,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(
        places, [f"{each.low:,}\u2013{each.high:,}\n({each.records:,})" for each in bins]
    )
    what = "tokens of the answers of a conversation" if conversations else "tokens per record"
    axes.set(xlim=(-0.6, len(bins) - 0.4), xlabel=f"{what} (records)", ylabel="perplexity")
    return svg(figure, "Perplexity of a token against the length of its record")


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
