"""An evaluation of translations as tables for a terminal, and its plot."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.evaluation.intervals import Interval
from anysize.evaluation.plots import ACCENT, INK, SECOND, canvas, svg
from anysize.evaluation.rendering import blank_table, render, unreadable, warning
from anysize.evaluation.translation_result import (
    COPY,
    METRICS,
    MODEL,
    LengthScores,
    TranslationEvaluation,
)

TITLES = {"bleu": "BLEU", "chrf": "chrF"}


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(TranslationEvaluation, _evaluation)


def bounds(interval: Interval) -> str:
    """``33.1 … 35.9``."""
    return f"{interval.low:.1f} … {interval.high:.1f}"


def counted_by(evaluation: TranslationEvaluation) -> str:
    """By which of sacrebleu's tokenizers BLEU counts words."""
    return ", ".join(sorted(evaluation.tokenizers))


def by_length(bins: Sequence[LengthScores]) -> str:
    """BLEU and chrF against the length of the source, as inline SVG."""
    figure, axes = canvas(9.4, 3.6)
    places = range(len(bins))
    for name, colour, marker in (("bleu", ACCENT, "o"), ("chrf", SECOND, "s")):
        axes.plot(
            places, [getattr(each, name) for each in bins], color=colour, marker=marker,
            markersize=4, linewidth=1.5, label=TITLES[name],
        )  # fmt: skip
    axes.legend(frameon=False, labelcolor=INK, loc="best", fontsize=9)
    axes.set_xticks(
        places, [f"{each.low:,}\u2013{each.high:,}\n({each.records:,})" for each in bins]
    )
    axes.set(xlim=(-0.6, len(bins) - 0.4), xlabel="characters per source (records)", ylabel="score")
    axes.set_ylim(bottom=0)
    return svg(figure, "BLEU and chrF against the length of the source")


def _evaluation(evaluation: TranslationEvaluation) -> RenderableType:
    main = blank_table("metric", "model", "interval", "copying the source")
    for name in METRICS:
        main.add_row(
            TITLES[name],
            f"{evaluation.systems[MODEL][name]:.2f}",
            bounds(evaluation.intervals[name]),
            f"{evaluation.systems[COPY][name]:.2f}",
        )
    counts = evaluation.segments
    words = (
        f"{evaluation.receipts.records:,} records, {counts.get('segments', 0):,} segments: "
        f"{counts.get('tried_again', 0):,} tried again, {counts.get('doubtful', 0):,} doubtful; "
        f"words by sacrebleu's {counted_by(evaluation)}"
    )
    notices = [warning(line) for line in evaluation.notices("target")]
    failed = unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(main, Text(words), *notices, *failed)
