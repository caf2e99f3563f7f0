"""Plots of an evaluation as inline SVG, drawn by matplotlib without its global state.

Text stays text, so the page's own font is used, and colours become the page's CSS variables, so
a plot follows the page into dark mode. Class names never enter a plot: the report writes them as
HTML, where the browser has the fonts for every script.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.evaluation.baselines import Baseline
from anysize.evaluation.intervals import Interval
from anysize.evaluation.lengths import LengthBin
from anysize.evaluation.metrics import CalibrationBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that no colour map produces; each is replaced by a variable of the page's style.
INK, MUTED, LINE, ACCENT, SECOND = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f"
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", SECOND: "second"}
_LARGEST_IMAGE = 250


def reliability(bins: Sequence[CalibrationBin]) -> Markup:
    """Accuracy against confidence; a calibrated model lies on the diagonal."""
    figure, axes = canvas(4.6, 3.6)
    used = [entry for entry in bins if entry.count]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for entry in used:
        axes.bar(
            (entry.low + entry.high) / 2,
            entry.accuracy,
            width=(entry.high - entry.low) * 0.9,
            color=ACCENT,
            alpha=0.25,
            linewidth=0,
        )
    axes.plot(
        [entry.confidence for entry in used],
        [entry.accuracy for entry in used],
        color=ACCENT,
        marker="o",
        markersize=4,
        linewidth=1.5,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    return svg(figure, "Accuracy against confidence in bins")


def confidence_histogram(bins: Sequence[CalibrationBin]) -> Markup:
    """How many predictions were made with which confidence."""
    figure, axes = canvas(4.6, 3.6)
    axes.bar(
        [(entry.low + entry.high) / 2 for entry in bins],
        [entry.count for entry in bins],
        width=0.9 / len(bins),
        color=ACCENT,
        alpha=0.85,
        linewidth=0,
    )
    axes.set(xlim=(0, 1), xlabel="confidence", ylabel="records")
    _whole_numbers(axes)
    return svg(figure, "Number of records by confidence")


def accuracy_by_size(bins: Sequence[LengthBin], unit: str) -> Markup:
    """Accuracy with its interval against the size of the input, and how many records."""
    figure, axes = canvas(9.4, 3.6)
    places = np.arange(len(bins))
    accuracy = np.array([entry.accuracy for entry in bins])
    below = accuracy - [entry.interval.low for entry in bins]
    above = np.array([entry.interval.high for entry in bins]) - accuracy
    compared = all(entry.one_window_accuracy is not None for entry in bins)
    axes.errorbar(
        places,
        accuracy,
        yerr=np.abs([below, above]),
        color=ACCENT,
        marker="o",
        markersize=5,
        linewidth=1.5,
        elinewidth=1.2,
        capsize=3,
        label="all windows",
    )
    if compared:
        axes.plot(
            places,
            [entry.one_window_accuracy or 0.0 for entry in bins],
            color=SECOND,
            marker="s",
            markersize=4,
            linewidth=1.2,
            linestyle=(0, (4, 2)),
            label="one window",
        )
        axes.legend(frameon=False, labelcolor=INK, loc="lower left", fontsize=9)
    axes.set_xticks(places, [f"{_range(entry)}\n({entry.records:,})" for entry in bins])
    axes.set(
        xlim=(-0.6, len(bins) - 0.4),
        ylim=(0, 1.02),
        xlabel=f"{unit} per record (records)",
        ylabel="accuracy",
    )
    return svg(figure, f"Accuracy against {unit} per record")


def comparison(accuracy: float, interval: Interval, baselines: Sequence[Baseline]) -> Markup:
    """Accuracy with intervals: the model above its baselines."""
    rows = [("this model", accuracy, interval)]
    rows += [
        (baseline.name.replace("_", " "), baseline.accuracy, baseline.interval)
        for baseline in baselines
    ]
    figure, axes = canvas(9.4, 0.9 + 0.45 * len(rows))
    for place, (_, value, bounds) in enumerate(rows):
        colour = MUTED if place else ACCENT
        axes.barh(place, value, height=0.55, color=colour, alpha=0.3, linewidth=0)
        axes.plot([bounds.low, bounds.high], [place, place], color=colour, linewidth=2.2)
        axes.plot([value], [place], color=colour, marker="o", markersize=5)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.0), xlabel=f"accuracy with its {interval.level:.0%} interval")
    axes.grid(axis="y", visible=False)
    return svg(figure, "Accuracy of the model and of its baselines")


def confusion_image(confusion: NDArray[np.int64]) -> Markup:
    """A confusion matrix of many classes, each row scaled to its class's records.

    Above 250 classes neighbouring cells are joined by their largest value, so that a single
    frequent confusion stays visible.
    """
    support = confusion.sum(axis=1, keepdims=True)
    share = confusion / np.maximum(support, 1)
    classes = len(share)
    step = -(-classes // _LARGEST_IMAGE)
    starts = np.arange(0, classes, step)
    share = np.maximum.reduceat(np.maximum.reduceat(share, starts, axis=0), starts, axis=1)
    figure, axes = canvas(6.2, 5.6)
    # A square root keeps rare confusions visible beside a strong diagonal.
    image = np.zeros((*share.shape, 4))
    image[..., :3] = (0.15, 0.39, 0.92)
    image[..., 3] = np.sqrt(share)
    axes.imshow(image, extent=(0, classes, classes, 0), interpolation="nearest", aspect="equal")
    axes.set(xlabel="predicted class (number)", ylabel="class in the data (number)")
    axes.grid(visible=False)
    return svg(figure, "Confusion matrix")


def precision_recall(
    precision: NDArray[np.float64], scores: NDArray[np.float64] | None = None
) -> Markup:
    """Precision at evenly spaced recalls from 0 to 1, and the score that gives each of them."""
    figure, axes = canvas(3.6, 2.7)
    recalls = np.linspace(0, 1, len(precision))
    axes.fill_between(recalls, precision, color=ACCENT, alpha=0.15, linewidth=0)
    axes.plot(recalls, precision, color=ACCENT, linewidth=1.5)
    if scores is not None:
        axes.plot(recalls, scores, color=SECOND, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.05, f"AP50 {100 * float(precision.mean()):.1f} %", color=INK, fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    return svg(figure, "Precision against recall")


def _range(entry: LengthBin) -> str:
    if entry.low == entry.high:
        return f"{entry.low:,}"
    return f"{_short(entry.low)} to {_short(entry.high)}"


def _short(value: int) -> str:
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if value >= size:
            return f"{value / (1000 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,}"


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own (inches), in the page's style."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.grid(visible=True, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=9, length=3)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))

    def name(value: float, place: Any) -> str:
        return f"{value:,.0f}"

    axes.yaxis.set_major_formatter(FuncFormatter(name))


def svg(figure: Figure, title: str) -> Markup:
    """The figure as an ``<svg>`` element for an HTML page; the same input gives the same text."""
    import matplotlib

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    # Without a fixed size it shrinks with the page; the view box keeps its proportions.
    text = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', r"\1", text, count=1)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))
