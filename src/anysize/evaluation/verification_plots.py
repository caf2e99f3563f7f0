"""Plots of a verification: ROC curve, error rates, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from anysize.evaluation.plots import ACCENT, INK, MUTED, SECOND, canvas, svg

_LEAST_RATE = 1e-4


def roc(false_accept: Sequence[float], true_accept: Sequence[float]) -> Markup:
    """True-accept rate against false-accept rate on a logarithmic scale."""
    figure, axes = canvas(4.6, 3.6)
    least = max(min((rate for rate in false_accept if rate > 0), default=1.0), _LEAST_RATE)
    order = np.argsort(np.asarray(false_accept), kind="stable")
    across = np.maximum(np.asarray(false_accept)[order], least / 2)
    up = np.maximum.accumulate(np.asarray(true_accept)[order])
    axes.plot(across, up, color=ACCENT, linewidth=1.8, drawstyle="steps-post")
    axes.plot(across, 1 - across, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.97, 0.05, "dashed: equal errors", color=MUTED, fontsize=9, ha="right",
              transform=axes.transAxes)  # fmt: skip
    axes.set_xscale("log")
    axes.set(
        xlim=(least / 2, 1), ylim=(0, 1.02), xlabel="false-accept rate", ylabel="true-accept rate"
    )
    return svg(figure, "True accepts against false accepts")


def error_rates(points: Sequence[Mapping[str, float]], rate: float, threshold: float) -> Markup:
    """False-accept and false-reject rate against the threshold."""
    figure, axes = canvas(4.6, 3.6)
    thresholds = [point["threshold"] for point in points]
    for values, colour, name, style in (
        ([point["far"] for point in points], ACCENT, "false accepts", "-"),
        ([1 - point["tar"] for point in points], SECOND, "false rejects", (0, (4, 2))),
    ):
        axes.plot(thresholds, values, color=colour, linewidth=1.6, linestyle=style, label=name)
    axes.plot([threshold], [rate], color=INK, marker="o", markersize=5)
    axes.annotate(
        f"EER {100 * rate:.1f} %", (threshold, rate), xytext=(8, 10), textcoords="offset points",
        color=INK, fontsize=9,
    )  # fmt: skip
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    axes.set(
        xlim=(min(thresholds), max(thresholds)),
        ylim=(0, 1.02),
        xlabel="threshold (cosine)",
        ylabel="error rate",
    )
    return svg(figure, "Error rates against the threshold")


def score_histogram(
    edges: NDArray[np.float64],
    genuine: NDArray[np.int64],
    impostor: NDArray[np.int64],
    threshold: float,
) -> Markup:
    """Both kinds of scores, each as a share of its kind.

    Args:
        edges: of the bars, ``[bars + 1]``.
        genuine: counts ``[bars]``.
        impostor: counts ``[bars]``.
        threshold: of the equal error rate.
    """
    figure, axes = canvas(9.4, 3.2)
    used = np.flatnonzero(genuine + impostor)
    for counts, colour, name in ((impostor, ACCENT, "two people"), (genuine, SECOND, "one person")):
        axes.stairs(
            counts / max(counts.sum(), 1), edges, color=colour, alpha=0.45, fill=True, label=name
        )
    axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    axes.set(
        xlim=(edges[used[0]] - 0.02, edges[used[-1] + 1] + 0.02),
        xlabel="cosine",
        ylabel="share of the pairs",
    )
    return svg(figure, "Scores of pairs of one person and of two")
