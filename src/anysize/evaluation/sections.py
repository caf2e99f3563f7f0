"""The report's sections about the whole: main numbers, baselines, sizes, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from anysize.evaluation import plots
from anysize.evaluation.baselines import Baseline
from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.markup import between, counted, percent, probability, section


def cards(evaluation: Evaluation) -> str:
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
    boxes = "".join(
        f'<div class="card"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
        for name, value, note in entries
    )
    return f'<div class="cards">{boxes}</div>'


def notices(evaluation: Evaluation) -> str:
    """What a reader must know before believing the numbers."""
    lines = []
    records = evaluation.summary.records
    if evaluation.unknown_label_records:
        count = evaluation.unknown_label_records
        names = ", ".join(evaluation.unknown_labels)
        lower = evaluation.summary.correct / (records + count)
        lines.append(
            f"{counted(count, 'record has a label', 'records have labels')} that the model does "
            f"not know ({names}); not scored. Were they mistakes, the accuracy would be "
            f"{percent(lower)}."
        )
    if evaluation.failure_count:
        lines.append(
            f"{counted(evaluation.failure_count, 'record', 'records')} could not be read; not "
            "scored, but named at the end."
        )
    if evaluation.copies[0]:
        rest = evaluation.accuracy_without_copies
        lines.append(
            f"{counted(evaluation.copies[0], 'record has', 'records have')} the same content as a "
            "training record. "
            + (f"Without them the accuracy is {percent(rest)}." if rest is not None else "")
        )
    if evaluation.without_target:
        unlabelled = counted(evaluation.without_target, "record has", "records have")
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
            f"{counted(receipts.records - receipts.fully_covered, 'record was', 'records were')} "
            f"not read completely (least: {percent(receipts.lowest_covered)})"
            f"{': ' + reasons if reasons else ''}."
        )
    return "".join(f'<div class="notice">{escape(line)}</div>' for line in lines)


def baselines(evaluation: Evaluation) -> str:
    """The model beside the simplest systems, on the same records."""
    rows = "".join(_baseline_row(baseline) for baseline in evaluation.baselines)
    summary = evaluation.summary
    own = (
        f'<tr><td class="name-cell"><b>this model</b></td><td>{percent(summary.accuracy)}</td>'
        f"<td>{between(evaluation.accuracy_interval)}</td><td>{percent(summary.macro_f1)}</td>"
        "<td></td><td></td><td></td></tr>"
    )
    plot = plots.comparison(summary.accuracy, evaluation.accuracy_interval, evaluation.baselines)
    return section(
        "Against simple baselines",
        "All systems answer the same records. The difference is this model minus the baseline, "
        "with a paired bootstrap interval; p is McNemar's exact test.",
        f'<div class="plot">{plot}</div><div class="scroll"><table class="wide"><thead><tr>'
        '<th class="name-cell">system</th><th>accuracy</th><th>interval</th><th>macro F1</th>'
        "<th>difference, points</th><th>interval</th><th>p</th></tr></thead>"
        f"<tbody>{own}{rows}</tbody></table></div>",
    )


def _baseline_row(baseline: Baseline) -> str:
    gap = baseline.difference
    points = f"{100 * gap.difference:+.1f}"
    bounds = f"{100 * gap.interval.low:+.1f} … {100 * gap.interval.high:+.1f}"
    return (
        f'<tr><td class="name-cell">{escape(baseline.name.replace("_", " "))}'
        f'<div class="muted small">{escape(baseline.description)}</div></td>'
        f"<td>{percent(baseline.accuracy)}</td><td>{between(baseline.interval)}</td>"
        f"<td>{percent(baseline.macro_f1)}</td><td>{points}</td><td>{bounds}</td>"
        f"<td>{escape(probability(gap.p_value))}</td></tr>"
    )


def sizes(evaluation: Evaluation) -> str:
    """Accuracy against the size of the input."""
    receipts = evaluation.receipts
    unit = receipts.unit
    shown, name = (
        (evaluation.by_windows, "windows")
        if len(evaluation.by_windows) > 1
        else (evaluation.by_extent, unit)
    )
    words = (
        f"{receipts.windows:,} windows for {receipts.records:,} records: "
        f"{receipts.mean_windows:.2f} each on average, {receipts.most_windows:,} at most; the "
        f"largest input has {receipts.largest_extent:,} {unit}. "
        f"{receipts.fully_covered:,} records were read completely. "
        f"Joined by {_counts(receipts.merge)}; fidelity {_counts(receipts.fidelity)}."
    )
    plot = plots.accuracy_by_size(shown, name) if len(shown) > 1 else ""
    return section("By size of the input", words, f'<div class="plot">{plot}</div>')


def _counts(values: Mapping[str, int]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{name} ({count:,})" for name, count in values.items())


def calibration(evaluation: Evaluation) -> str:
    """Whether a confidence can be taken at its word."""
    bins = evaluation.summary.calibration
    mean = sum(entry.confidence * entry.count for entry in bins) / evaluation.summary.records
    gap = mean - evaluation.summary.accuracy
    verdict = (
        "confidence and accuracy agree"
        if abs(gap) < 0.01
        else f"the model is {'over' if gap > 0 else 'under'}confident"
    )
    return section(
        "Calibration",
        f"Mean confidence {percent(mean)}, accuracy {percent(evaluation.summary.accuracy)}: "
        f"{verdict}. On the dashed line a confidence of 0.8 is right 8 times in 10.",
        f'<div class="pair"><div class="plot">{plots.reliability(bins)}</div>'
        f'<div class="plot">{plots.confidence_histogram(bins)}</div></div>',
    )
