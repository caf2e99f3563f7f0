"""The report of predicted numbers: one HTML page with the estimates against the truth."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from anysize.core.records import Source
from anysize.evaluation import number_plots, panels
from anysize.evaluation.findings import findings_section
from anysize.evaluation.intervals import Interval
from anysize.evaluation.markup import percent, section
from anysize.evaluation.number_result import FarMiss, NumberEvaluation
from anysize.evaluation.passing import notices_of


def write(
    evaluation: NumberEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    lines = notices_of(
        receipts=evaluation.receipts,
        without_target=evaluation.without_target,
        failure_count=evaluation.failure_count,
        copies=evaluation.copies,
        what="number",
    )
    body = "".join(
        (
            _cards(evaluation),
            panels.notices(lines),
            _baselines(evaluation),
            _scatter(evaluation),
            _coverage(evaluation),
            _sizes(evaluation),
            _far(evaluation),
            panels.failures(evaluation.failures, evaluation.failure_count),
            findings_section(evaluation.findings),
        )
    )
    panels.write(folder, evaluation.to_json(), body, card=card, source=source)


def _cards(evaluation: NumberEvaluation) -> str:
    metrics, found = evaluation.metrics, evaluation.intervals
    receipts = evaluation.receipts
    entries = [
        ("R²", f"{metrics['r2']:.4f}", _between(found["r2"])),
        ("RMSE", f"{metrics['rmse']:.4g}", _between(found["rmse"])),
        ("mean absolute error", f"{metrics['mae']:.4g}", _between(found["mae"])),
        ("rank correlation", f"{metrics['spearman']:.4f}", "Spearman; 1 is the same order"),
        ("records", f"{evaluation.records:,}", f"target: {evaluation.target}"),
        (
            "windows",
            f"{receipts.windows:,}",
            f"{receipts.longer_than_window:,} records longer than one",
        ),
    ]
    if evaluation.level is not None:
        entries.insert(
            4,
            (
                "coverage",
                percent(metrics["interval_coverage"]),
                f"of intervals meant for {evaluation.level:.0%}; width "
                f"{metrics['interval_width']:.4g}",
            ),
        )
    return panels.cards(entries)


def _between(interval: Interval) -> str:
    return f"{interval.low:.4g} … {interval.high:.4g}"


def _baselines(evaluation: NumberEvaluation) -> str:
    own = evaluation.metrics
    rows = [
        ("this model", f"{own['mae']:.4g}", f"{own['rmse']:.4g}", f"{own['r2']:.4f}", "", ""),
        *(
            (
                f"{each.name.replace('_', ' ')}: {each.description}",
                f"{each.mae:.4g}",
                f"{each.rmse:.4g}",
                f"{each.r2:.4f}",
                f"{each.difference:+.4g}",
                _between(each.interval),
            )
            for each in evaluation.baselines
        ),
    ]
    columns = ("system", "MAE", "RMSE", "R²", "model minus baseline, MAE", "interval")
    return section(
        "Against simple baselines",
        "All systems answer the same records. Below zero the model is nearer to the truth; the "
        "interval is a paired bootstrap.",
        panels.table(columns, rows),
    )


def _scatter(evaluation: NumberEvaluation) -> str:
    pairs = evaluation.pairs
    return section(
        "Predicted against true",
        "On the dashed line a prediction is right. Errors that grow to one side show what the "
        "model does not know.",
        f'<div class="pair"><div class="plot">{number_plots.scatter(pairs)}</div>'
        f'<div class="plot">{number_plots.residuals(pairs)}</div></div>'
        f'<div class="plot">{number_plots.histogram(pairs)}</div>',
    )


def _coverage(evaluation: NumberEvaluation) -> str:
    if evaluation.level is None:
        return section(
            "Prediction intervals",
            "This model gives none: they are found on validation records, of which there were none "
            "or too few.",
            "",
        )
    share = evaluation.metrics["interval_coverage"]
    bounds = evaluation.intervals["interval_coverage"]
    return section(
        "Prediction intervals",
        f"{percent(share)} of the true values lie inside their interval ({percent(bounds.low)} to "
        f"{percent(bounds.high)} with chance), and {evaluation.level:.0%} are meant to. The mean "
        f"width is {evaluation.metrics['interval_width']:.4g}.",
        "",
    )


def _sizes(evaluation: NumberEvaluation) -> str:
    if len(evaluation.by_extent) < 2:
        return ""
    unit = evaluation.receipts.unit
    rows = [
        (f"{each.low:,} to {each.high:,} {unit}", f"{each.records:,}", f"{each.mae:.4g}")
        for each in evaluation.by_extent
    ]
    return section("By size of the input", "", panels.table(("size", "records", "MAE"), rows))


def _far(evaluation: NumberEvaluation) -> str:
    texts = any(each.excerpt and each.excerpt.text is not None for each in evaluation.far)
    style = "mistakes texts" if texts else "mistakes"
    return section(
        "Largest errors",
        "A wrong number in the data shows here first.",
        f'<div class="{style}">{"".join(map(_miss, evaluation.far))}</div>',
    )


def _miss(miss: FarMiss) -> str:
    shown, excerpt = "", miss.excerpt
    if excerpt and excerpt.image is not None:
        data = base64.b64encode(excerpt.image).decode("ascii")
        kind = escape(excerpt.media_type, quote=True)
        shown = f'<img alt="{escape(miss.id, quote=True)}" src="data:{kind};base64,{data}">'
    if excerpt and excerpt.text is not None:
        shown += f"<blockquote>{escape(excerpt.text)}</blockquote>"
    return (
        f'<div class="mistake">{shown}<div><span class="wrong">{miss.prediction:g}</span>'
        f' · should be <span class="right">{miss.target:g}</span></div>'
        f'<div class="muted small">{escape(miss.id)}</div></div>'
    )
