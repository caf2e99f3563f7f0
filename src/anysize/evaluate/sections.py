"""The report's sections, each a function from an evaluation to HTML."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from anysize.evaluate import plots
from anysize.evaluate.baselines import Baseline
from anysize.evaluate.evaluation import Evaluation
from anysize.evaluate.intervals import Interval
from anysize.evaluate.metrics import ClassRow, most_confused
from anysize.evaluate.mistakes import Mistake

LARGEST_TABLE = 30
"""A confusion matrix of more classes is drawn without names, beside its most confused pairs."""

_DENSE_ABOVE = 14
_UPRIGHT_ABOVE = 9


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
        counted = evaluation.summary.correct / (records + count)
        lines.append(
            f"{count:,} records have labels that the model does not know ({names}) and are not "
            f"scored; counted as mistakes they would make the accuracy {percent(counted)}."
        )
    if evaluation.failure_count:
        lines.append(
            f"{evaluation.failure_count:,} records could not be read and are not scored; "
            "they are named at the end."
        )
    if evaluation.without_target:
        lines.append(f"{evaluation.without_target:,} records have no label and are not scored.")
    absent = sum(1 for row in evaluation.summary.classes if not row.support)
    if absent:
        lines.append(
            f"{absent:,} of the model's {len(evaluation.labels):,} classes do not occur in "
            "these data."
        )
    receipts = evaluation.receipts
    if receipts.fully_covered < receipts.records:
        reasons = "; ".join(receipts.reasons)
        lines.append(
            f"{receipts.records - receipts.fully_covered:,} records were not read completely "
            f"(least: {percent(receipts.lowest_covered)}){': ' + reasons if reasons else ''}."
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
    p_value = "< 0.001" if gap.p_value < 0.001 else f"{gap.p_value:.3f}"
    return (
        f'<tr><td class="name-cell">{escape(baseline.name.replace("_", " "))}'
        f'<div class="muted small">{escape(baseline.description)}</div></td>'
        f"<td>{percent(baseline.accuracy)}</td><td>{between(baseline.interval)}</td>"
        f"<td>{percent(baseline.macro_f1)}</td><td>{points}</td><td>{bounds}</td>"
        f"<td>{p_value}</td></tr>"
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
    return section(
        "By size of the input", words, f'<div class="plot">{plots.accuracy_by_size(shown, name)}</div>'
    )


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


def classes(evaluation: Evaluation) -> str:
    """Precision, recall and F1 of every class."""
    rows = "".join(_class_row(row) for row in evaluation.summary.classes)
    return section(
        "Classes",
        "Support is how many records of the data belong to the class.",
        '<div class="scroll"><table class="wide"><thead><tr><th class="name-cell">class</th>'
        "<th>precision</th><th>recall</th><th>F1</th><th>support</th><th>predicted</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>",
    )


def _class_row(row: ClassRow) -> str:
    precision = percent(row.precision) if row.predicted else "never predicted"
    recall = percent(row.recall) if row.support else "absent"
    f1 = percent(row.f1) if row.predicted or row.support else ""
    return (
        f'<tr><td class="name-cell">{escape(row.label)}</td><td>{precision}</td><td>{recall}</td>'
        f'<td>{f1}<span class="bar"><i style="width:{100 * row.f1:.1f}%"></i></span></td>'
        f"<td>{row.support:,}</td><td>{row.predicted:,}</td></tr>"
    )


def confusion(evaluation: Evaluation) -> str:
    """Which classes are taken for which."""
    summary = evaluation.summary
    pairs = most_confused(summary, 20)
    table = (
        '<h3>Most confused</h3><div class="scroll"><table><thead><tr>'
        '<th class="name-cell">in the data</th><th class="name-cell">predicted</th>'
        "<th>records</th><th>of the class</th></tr></thead><tbody>"
        + "".join(
            f'<tr><td class="name-cell">{escape(pair.target)}</td>'
            f'<td class="name-cell">{escape(pair.prediction)}</td>'
            f"<td>{pair.count:,}</td><td>{percent(pair.share)}</td></tr>"
            for pair in pairs
        )
        + "</tbody></table></div>"
    )
    if summary.confusion is None:
        return section("Confusion", "Not kept for so many classes.", "")
    if len(summary.classes) <= LARGEST_TABLE:
        body = f'<div class="scroll">{_confusion_table(evaluation)}</div>'
        words = "Rows are classes of the data, columns predictions; shaded by share of the row."
        if len(summary.classes) > _DENSE_ABOVE and pairs:
            body += f"<p></p>{table}"
    else:
        image = plots.confusion_image(summary.confusion)
        body = f'<div class="plot square">{image}</div>{table if pairs else ""}'
        words = (
            "Classes are numbered in the order of the table above; shaded by share of the row, "
            "rare confusions lifted."
        )
    return section("Confusion", words, body)


def _confusion_table(evaluation: Evaluation) -> str:
    counts = evaluation.summary.confusion
    if counts is None:
        return ""
    labels = evaluation.labels
    style = "confusion"
    if len(labels) > _UPRIGHT_ABOVE:
        style += " upright"
    if len(labels) > _DENSE_ABOVE:
        style += " dense"
    head = "".join(f"<th><div>{escape(label)}</div></th>" for label in labels)
    rows = []
    for place, label in enumerate(labels):
        total = max(int(counts[place].sum()), 1)
        cells = "".join(
            _confusion_cell(int(count), int(count) / total, f"{label} → {labels[other]}")
            for other, count in enumerate(counts[place])
        )
        rows.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return (
        f'<table class="{style}"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _confusion_cell(count: int, share: float, title: str) -> str:
    strong = ' class="strong"' if share > 0.55 else ""
    shade = f"background:rgba(var(--heat),{0.06 + 0.9 * share:.3f})" if count else ""
    hint = escape(f"{title}: {count:,} ({percent(share)})", quote=True)
    return f'<td{strong} style="{shade}" title="{hint}">{count or ""}</td>'


def mistakes(evaluation: Evaluation) -> str:
    """The worst mistakes, each with its picture or text."""
    if not evaluation.mistakes:
        return section("Worst mistakes", "There are none.", "")
    texts = any(entry.excerpt and entry.excerpt.text is not None for entry in evaluation.mistakes)
    style = "mistakes texts" if texts else "mistakes"
    boxes = "".join(_mistake(entry) for entry in evaluation.mistakes)
    return section(
        "Worst mistakes",
        "Where the right class got the least probability. A wrong label in the data shows here "
        "first.",
        f'<div class="{style}">{boxes}</div>',
    )


def _mistake(mistake: Mistake) -> str:
    excerpt = mistake.excerpt
    shown = ""
    where = excerpt.where if excerpt else ""
    if excerpt and excerpt.image is not None:
        data = base64.b64encode(excerpt.image).decode("ascii")
        tiny = ' class="tiny"' if excerpt.media_type == "image/png" else ""
        shown = (
            f'<img{tiny} alt="{escape(mistake.id, quote=True)}" '
            f'src="data:{escape(excerpt.media_type, quote=True)};base64,{data}">'
        )
    if excerpt and excerpt.text is not None:
        shown += f"<blockquote>{escape(excerpt.text)}</blockquote>"
    receipt = mistake.receipt
    plural = "window" if receipt.windows == 1 else "windows"
    facts = f"{mistake.id} · {receipt.windows:,} {plural}" + (f" · {where}" if where else "")
    return (
        f'<div class="mistake">{shown}<div>'
        f'<span class="wrong">{escape(mistake.prediction)}</span> {percent(mistake.score)}'
        f' · should be <span class="right">{escape(mistake.target)}</span> '
        f"{percent(mistake.target_probability)}</div>"
        f'<div class="muted small">{escape(facts)}</div></div>'
    )


def failures(evaluation: Evaluation) -> str:
    """Records that could not be read."""
    if not evaluation.failure_count:
        return ""
    rows = "".join(
        f'<tr><td class="name-cell">{escape(failure.id)}</td>'
        f'<td class="name-cell">{escape(failure.error)}</td></tr>'
        for failure in evaluation.failures
    )
    shown = len(evaluation.failures)
    words = f"{evaluation.failure_count:,} records" + (
        f"; the first {shown:,} are named." if shown < evaluation.failure_count else "."
    )
    return section(
        "Could not be read",
        words,
        '<div class="scroll"><table class="wide"><thead><tr><th class="name-cell">record</th>'
        f'<th class="name-cell">reason</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


def provenance(facts: Mapping[str, Any]) -> str:
    """What was evaluated, as the caller states it; nested values as JSON."""
    if not facts:
        return ""
    return section("Provenance", "", f'<dl class="facts">{"".join(_facts(facts))}</dl>')


def _facts(facts: Mapping[str, Any]) -> Iterable[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping | list | tuple):
            text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
            shown = f"<pre>{escape(text)}</pre>"
            if text.count("\n") > 8:
                shown = f"<details><summary>{len(value):,} entries</summary>{shown}</details>"
        else:
            shown = escape(str(value))
        yield f"<dt>{escape(str(name))}</dt><dd>{shown}</dd>"


def section(title: str, words: str, body: str) -> str:
    """A titled panel; ``body`` is HTML, the rest is escaped."""
    lead = f'<p class="muted small">{escape(words)}</p>' if words else ""
    return f"<section><h2>{escape(title)}</h2>{lead}{body}</section>"


def percent(value: float) -> str:
    """``83.4 %``."""
    return f"{100 * value:.1f} %"


def between(interval: Interval) -> str:
    """``81.9 … 84.7 %``."""
    return f"{100 * interval.low:.1f} … {100 * interval.high:.1f} %"
