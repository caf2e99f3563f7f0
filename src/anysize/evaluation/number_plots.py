"""Plots of predicted numbers against the true ones, as inline SVG."""

from __future__ import annotations

import numpy as np

from anysize.evaluation.plots import ACCENT, MUTED, canvas, svg
from anysize.heads.number_meter import Numbers

_MOST_POINTS = 2000


def scatter(pairs: Numbers) -> str:
    """Predictions against the truth."""
    shown = _some(pairs)
    figure, axes = canvas(4.6, 4.2)
    low, high = float(shown.min()), float(shown.max())
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.scatter(shown[:, 0], shown[:, 1], s=8, color=ACCENT, alpha=0.4, linewidths=0)
    axes.set(xlabel="true", ylabel="predicted")
    return svg(figure, "Predicted against true numbers")


def residuals(pairs: Numbers) -> str:
    """Errors against the prediction."""
    shown = _some(pairs)
    figure, axes = canvas(4.6, 4.2)
    axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.scatter(shown[:, 1], shown[:, 1] - shown[:, 0], s=8, color=ACCENT, alpha=0.4, linewidths=0)
    axes.set(xlabel="predicted", ylabel="predicted minus true")
    return svg(figure, "Errors against predictions")


def histogram(pairs: Numbers) -> str:
    """How the errors are spread."""
    errors = pairs[:, 1] - pairs[:, 0]
    low, high = np.quantile(errors, [0.002, 0.998])
    counts, edges = np.histogram(errors.clip(low, high), bins=41)
    figure, axes = canvas(9.4, 2.8)
    axes.bar(
        (edges[:-1] + edges[1:]) / 2, counts, width=0.9 * np.diff(edges), color=ACCENT, alpha=0.85,
        linewidth=0,
    )  # fmt: skip
    axes.set(xlabel="predicted minus true", ylabel="records")
    return svg(figure, "Errors")


def _some(pairs: Numbers) -> Numbers:
    """A bounded number of points, evenly chosen."""
    return pairs[:: max(-(-len(pairs) // _MOST_POINTS), 1)]
