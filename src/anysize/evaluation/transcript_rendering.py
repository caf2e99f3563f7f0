"""An evaluation of transcripts as tables for a terminal, and its plot."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from anysize.evaluation.intervals import Interval
from anysize.evaluation.numbers import percent
from anysize.evaluation.plots import ACCENT, canvas, svg
from anysize.evaluation.rendering import blank_table, render, unreadable, warning
from anysize.evaluation.seams import SeamErrors
from anysize.evaluation.transcript_result import TranscriptEvaluation
from anysize.tasks.transcripts.word_errors import Errors


def register() -> None:
    """Makes ``rendering.render`` know these evaluations."""
    render.register(TranscriptEvaluation, rendered)


def bounds(interval: Interval | None) -> str:
    """``3.1 % … 4.0 %``; a hyphen where there is none."""
    return "-" if interval is None else f"{percent(interval.low)} … {percent(interval.high)}"


def distance(each: SeamErrors) -> str:
    """``0.5 to 1 s``."""
    if each.high is None:
        return f"over {each.low:g} s"
    return f"{each.low:g} to {each.high:g} s"


def by_distance(bins: Sequence[SeamErrors]) -> str:
    """The word error rate against the distance from a seam, as inline SVG."""
    figure, axes = canvas(9.4, 3.2)
    places = range(len(bins))
    axes.bar(places, [100 * each.rate for each in bins], color=ACCENT, width=0.6)
    axes.set_xticks(places, [f"{distance(each)}\n({each.reference:,})" for each in bins])
    axes.set(
        xlim=(-0.6, len(bins) - 0.4),
        xlabel="distance from the nearest seam (words)",
        ylabel="word error rate, %",
    )
    return svg(figure, "The word error rate against the distance from a seam of windows")


def rendered(evaluation: TranscriptEvaluation) -> RenderableType:
    """Tables, and what is to be known about them."""
    main = blank_table("", "rate", "interval", "substituted", "deleted", "inserted", "of")
    main.add_row("WER", *_row(evaluation.words, evaluation.intervals.get("wer")))
    main.add_row("CER", *_row(evaluation.characters, evaluation.intervals.get("cer")))
    main.add_row("WER as written", *_row(evaluation.written, None))
    parts: list[RenderableType] = [main, Text(evaluation.rule)]
    if evaluation.seams:
        seams = blank_table("from a seam", "WER", "substituted", "deleted", "inserted", "words")
        for each in evaluation.seams:
            seams.add_row(
                distance(each), percent(each.rate), f"{each.substitutions:,}",
                f"{each.deletions:,}", f"{each.insertions:,}", f"{each.reference:,}",
            )  # fmt: skip
        parts.append(seams)
    notices = [warning(line) for line in evaluation.notices("transcript")]
    failed = unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts, *notices, *failed)


def _row(errors: Errors, interval: Interval | None) -> tuple[str, ...]:
    return (
        percent(errors.rate), bounds(interval), f"{errors.substitutions:,}",
        f"{errors.deletions:,}", f"{errors.insertions:,}", f"{errors.reference:,}",
    )  # fmt: skip
