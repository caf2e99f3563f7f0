"""The report of a classifier: one HTML page that needs nothing beside itself, and the metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.evaluation import plots
from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.metrics import most_confused
from anysize.evaluation.numbers import between, percent
from anysize.evaluation.pages import facts_of, headings, page, write

LARGEST_TABLE = 30
"""A confusion matrix of more classes is drawn without names, beside its most confused pairs."""

_DENSE_ABOVE = 14
_MOST_CONFUSED = 20


def render_report(
    evaluation: Evaluation,
    *,
    card: Mapping[str, Any] | None = None,
    source: Source | None = None,
    title: str | None = None,
) -> str:
    """The page as text; the same evaluation gives the same page.

    Args:
        evaluation: what to show.
        card: the bundle's card; nested values are shown as JSON.
        source: the evaluated data, named with its fingerprint.
        title: heading; made from the card and the source by default.

    Raises:
        MissingExtraError: matplotlib or pillow is not installed.
    """
    card = card or {}
    heading = headings(card, source)
    summary = evaluation.summary
    drawn: dict[str, str] = {
        "baselines": plots.comparison(
            summary.accuracy, evaluation.accuracy_interval, evaluation.baselines
        ),
        "sizes": _sizes_plot(evaluation),
        "reliability": plots.reliability(summary.calibration),
        "confidence": plots.confidence_histogram(summary.calibration),
        "confusion": "",
    }
    words = {"sizes": _sizes(evaluation), "calibration": _calibration(evaluation)}
    confused = most_confused(summary, _MOST_CONFUSED)
    if summary.confusion is None:
        words["confusion"] = "Not kept for so many classes."
        confused = ()
    elif len(summary.classes) <= LARGEST_TABLE:
        words["confusion"] = (
            "Rows are classes of the data, columns predictions; shaded by share of the row."
        )
        if len(summary.classes) <= _DENSE_ABOVE:
            confused = ()
    else:
        drawn["confusion"] = plots.confusion_image(summary.confusion)
        words["confusion"] = (
            "Classes are numbered in the order of the table above; shaded by share of the row, "
            "rare confusions lifted."
        )
    return page(
        "evaluation/templates/classification.html",
        title=heading["title"] if title is None else title,
        subtitle=heading["subtitle"],
        evaluation=evaluation,
        cards=_cards(evaluation),
        notices=_notices(evaluation),
        plots=drawn,
        words=words,
        confused=confused,
        findings=evaluation.findings,
        provenance=facts_of(card, source),
    )


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    card: Mapping[str, Any] | None = None,
    source: Source | None = None,
    title: str | None = None,
) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into ``folder`` and returns their paths.

    Each is written beside its place and then renamed, so a reader never sees half a file.
    ``metrics.json`` has the metrics at the top level, the data and the card under
    ``provenance``. The arguments are those of ``render_report``.
    """
    text = render_report(evaluation, card=card, source=source, title=title)
    return write(folder, {**evaluation.to_json(), "provenance": facts_of(card or {}, source)}, text)


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The main numbers."""
    summary, receipts = evaluation.summary, evaluation.receipts
    entries = [
        ("accuracy", percent(summary.accuracy), between(evaluation.accuracy_interval)),
        (
            "macro F1",
            percent(summary.macro_f1),
            between(evaluation.macro_f1_interval) if evaluation.macro_f1_interval else "",
        ),
        ("calibration error (ECE)", percent(summary.ece), "15 bins; lower is better"),
        ("log-loss", f"{summary.log_loss:.3f}", f"guessing: {math.log(len(summary.classes)):.3f}"),
        ("records", f"{summary.records:,}", f"{summary.records - summary.correct:,} wrong"),
        (
            "windows",
            f"{receipts.windows:,}",
            f"{receipts.longer_than_window:,} records longer than one",
        ),
    ]
    if summary.top5 is not None:
        entries.insert(1, ("top 5", percent(summary.top5), "target among the five likeliest"))
    return entries


def _notices(evaluation: Evaluation) -> list[str]:
    """What a reader must know before believing the numbers."""
    lines = []
    records = evaluation.summary.records
    if evaluation.unknown_label_records:
        count = evaluation.unknown_label_records
        names = ", ".join(evaluation.unknown_labels)
        lower = evaluation.summary.correct / (records + count)
        lines.append(
            f"{number_of(count, 'record has a label', 'records have labels')} that the model does "
            f"not know ({names}); not scored. Were they mistakes, the accuracy would be "
            f"{percent(lower)}."
        )
    if evaluation.failure_count:
        lines.append(
            f"{number_of(evaluation.failure_count, 'record', 'records')} could not be read; not "
            "scored, but named at the end."
        )
    if evaluation.copies[0]:
        rest = evaluation.accuracy_without_copies
        lines.append(
            f"{number_of(evaluation.copies[0], 'record has', 'records have')} the same content "
            "as a training record. "
            + (f"Without them the accuracy is {percent(rest)}." if rest is not None else "")
        )
    if evaluation.without_target:
        unlabelled = number_of(evaluation.without_target, "record has", "records have")
        lines.append(f"{unlabelled} no label; not scored.")
    absent = sum(1 for row in evaluation.summary.classes if not row.support)
    if absent:
        lines.append(
            f"{absent:,} of the model's {len(evaluation.labels):,} classes "
            f"{'does' if absent == 1 else 'do'} not occur in these data."
        )
    receipts = evaluation.receipts
    if receipts.fully_covered < receipts.records:
        reasons = "; ".join(receipts.reasons)
        lines.append(
            f"{number_of(receipts.records - receipts.fully_covered, 'record was', 'records were')} "
            f"not read completely (least: {percent(receipts.lowest_covered)})"
            f"{': ' + reasons if reasons else ''}."
        )
    return lines


def _sizes(evaluation: Evaluation) -> str:
    receipts = evaluation.receipts
    return (
        f"{receipts.windows:,} windows for {receipts.records:,} records: "
        f"{receipts.mean_windows:.2f} each on average, {receipts.most_windows:,} at most; the "
        f"largest input has {receipts.largest_extent:,} {receipts.unit}. "
        f"{receipts.fully_covered:,} records were read completely. "
        f"Joined by {_counts(receipts.merge)}; fidelity {_counts(receipts.fidelity)}."
    )


def _sizes_plot(evaluation: Evaluation) -> str:
    if len(evaluation.by_windows) > 1:
        return plots.accuracy_by_size(evaluation.by_windows, "windows")
    if len(evaluation.by_extent) > 1:
        return plots.accuracy_by_size(evaluation.by_extent, evaluation.receipts.unit)
    return ""


def _counts(values: Mapping[str, int]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{name} ({count:,})" for name, count in values.items())


def _calibration(evaluation: Evaluation) -> str:
    summary = evaluation.summary
    mean = sum(entry.confidence * entry.count for entry in summary.calibration) / summary.records
    gap = mean - summary.accuracy
    verdict = (
        "confidence and accuracy agree"
        if abs(gap) < 0.01
        else f"the model is {'over' if gap > 0 else 'under'}confident"
    )
    return (
        f"Mean confidence {percent(mean)}, accuracy {percent(summary.accuracy)}: {verdict}. "
        "On the dashed line a confidence of 0.8 is right 8 times in 10."
    )
