"""Plots of summaries' scores, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from anysize.evaluation.plots import ACCENT, INK, MUTED, SECOND, canvas, svg
from anysize.evaluation.summary_result import MODEL, LengthScores

_STYLES = ((SECOND, "s", (0, (4, 2))), (MUTED, "^", (0, (2, 2))), (INK, "v", (0, (1, 2))))


def by_length(bins: Sequence[LengthScores]) -> str:
    """ROUGE-L against the length of the document, a line for each system."""
    figure, axes = canvas(9.4, 3.6)
    places = range(len(bins))
    names = list(bins[0].scores)
    for place, name in enumerate(sorted(names, key=lambda each: each != MODEL)):
        colour, marker, line = (
            (ACCENT, "o", "solid") if name == MODEL else _STYLES[(place - 1) % len(_STYLES)]
        )
        axes.plot(
            places, [each.scores[name] for each in bins], color=colour, marker=marker,
            markersize=4, linewidth=1.5, linestyle=line, label=name,
        )  # fmt: skip
    axes.legend(frameon=False, labelcolor=INK, loc="best", fontsize=9)
    axes.set_xticks(
        places, [f"{each.low:,}\u2013{each.high:,}\n({each.records:,})" for each in bins]
    )
    axes.set(
        xlim=(-0.6, len(bins) - 0.4),
        xlabel="characters per document (records)",
        ylabel="ROUGE-L",
    )
    axes.set_ylim(bottom=0)
    return svg(figure, "ROUGE-L against the length of the document")
