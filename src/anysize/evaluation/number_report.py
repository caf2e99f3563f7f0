"""The report of predicted numbers: one HTML page with the estimates against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.records import Source
from anysize.evaluation import number_plots, sectioned
from anysize.evaluation.intervals import Interval
from anysize.evaluation.number_result import NumberEvaluation
from anysize.evaluation.numbers import percent, quantity
from anysize.evaluation.sectioned import Miss, Section


def write(
    evaluation: NumberEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    sections = [_baselines(evaluation), *_scatter(evaluation), _coverage(evaluation)]
    if len(evaluation.by_extent) > 1:
        sections.append(_sizes(evaluation))
    sectioned.write(
        evaluation,
        folder,
        cards=_cards(evaluation),
        notices=evaluation.notices("number"),
        sections=[*sections, _far(evaluation)],
        card=card,
        source=source,
    )


def _cards(evaluation: NumberEvaluation) -> list[tuple[str, str, str]]:
    metrics, found = evaluation.metrics, evaluation.intervals
    receipts = evaluation.receipts
    entries = [
        ("R²", f"{metrics['r2']:.4f}", _between(found["r2"])),
        ("RMSE", quantity(metrics["rmse"]), _between(found["rmse"])),
        ("mean absolute error", quantity(metrics["mae"]), _between(found["mae"])),
        ("rank correlation", f"{metrics['spearman']:.4f}", "Spearman; 1 is the same order"),
    ]
    if evaluation.level is not None:
        width = quantity(metrics["interval_width"])
        note = f"of intervals meant for {evaluation.level:.0%}; width {width}"
        entries.append(("coverage", percent(metrics["interval_coverage"]), note))
    longer = f"{receipts.longer_than_window:,} records longer than one"
    return [
        *entries,
        ("records", f"{evaluation.records:,}", f"target: {evaluation.target}"),
        ("windows", f"{receipts.windows:,}", longer),
    ]


def _between(interval: Interval) -> str:
    return f"{quantity(interval.low)} … {quantity(interval.high)}"


def _baselines(evaluation: NumberEvaluation) -> Section:
    own = evaluation.metrics
    rows = [
        ("this model", quantity(own["mae"]), quantity(own["rmse"]), f"{own['r2']:.4f}", "", ""),
        *(
            (
                f"{each.name.replace('_', ' ')}: {each.description}",
                quantity(each.mae),
                quantity(each.rmse),
                f"{each.r2:.4f}",
                quantity(each.difference, signed=True),
                _between(each.interval),
            )
            for each in evaluation.baselines
        ),
    ]
    return Section(
        title="Against simple baselines",
        words="All systems answer the same records. Below zero the model is nearer to the truth; "
        "the interval is a paired bootstrap.",
        columns=("system", "MAE", "RMSE", "R²", "model minus baseline, MAE", "interval"),
        rows=rows,
    )


def _scatter(evaluation: NumberEvaluation) -> list[Section]:
    pairs = evaluation.pairs
    return [
        Section(
            title="Predicted against true",
            words="On the dashed line a prediction is right. Errors that grow to one side show "
            "what the model does not know.",
            plots=(number_plots.scatter(pairs), number_plots.residuals(pairs)),
        ),
        Section(title="Errors", plots=(number_plots.histogram(pairs),)),
    ]


def _coverage(evaluation: NumberEvaluation) -> Section:
    if evaluation.level is None:
        return Section(
            title="Prediction intervals",
            words="This model gives none: they are found on validation records, of which there "
            "were none or too few.",
        )
    share = evaluation.metrics["interval_coverage"]
    bounds = evaluation.intervals["interval_coverage"]
    return Section(
        title="Prediction intervals",
        words=f"{percent(share)} of the true values lie inside their interval "
        f"({percent(bounds.low)} to {percent(bounds.high)} with chance), and "
        f"{evaluation.level:.0%} are meant to. The mean width is "
        f"{quantity(evaluation.metrics['interval_width'])}.",
    )


def _sizes(evaluation: NumberEvaluation) -> Section:
    unit = evaluation.receipts.unit
    return Section(
        title="By size of the input",
        columns=("size", "records", "MAE"),
        rows=[
            (f"{each.low:,} to {each.high:,} {unit}", f"{each.records:,}", quantity(each.mae))
            for each in evaluation.by_extent
        ],
    )


def _far(evaluation: NumberEvaluation) -> Section:
    return Section(
        title="Largest errors",
        words="A wrong number in the data shows here first.",
        misses=[
            Miss(
                id=each.id,
                wanted=f"{each.target:g}",
                predicted=f"{each.prediction:g}",
                excerpt=each.excerpt,
            )
            for each in evaluation.far
        ],
    )
