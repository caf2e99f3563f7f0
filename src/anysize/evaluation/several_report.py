"""The report of several labels for each record: one HTML page with a table of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.records import Source
from anysize.evaluation import sectioned
from anysize.evaluation.numbers import between, percent
from anysize.evaluation.sectioned import Miss, Section
from anysize.evaluation.several_result import SeveralEvaluation


def write(
    evaluation: SeveralEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    notices = evaluation.notices("labels")
    if evaluation.unknown_labels:
        names = ", ".join(f"{name} ({n:,})" for name, n in evaluation.unknown_labels.items())
        notices.append(f"Labels that the model does not know are not scored: {names}.")
    sectioned.write(
        evaluation,
        folder,
        cards=_cards(evaluation),
        notices=notices,
        sections=[_baselines(evaluation), _labels(evaluation), _wrong(evaluation)],
        card=card,
        source=source,
    )


def _cards(evaluation: SeveralEvaluation) -> list[tuple[str, str, str]]:
    metrics, found, receipts = evaluation.metrics, evaluation.intervals, evaluation.receipts
    return [
        ("macro F1", percent(metrics["macro_f1"]), between(found["macro_f1"])),
        ("micro F1", percent(metrics["micro_f1"]), between(found["micro_f1"])),
        (
            "whole sets right",
            percent(metrics["subset_accuracy"]),
            between(found["subset_accuracy"]),
        ),
        ("average precision", percent(metrics["average_precision"]), "mean over the labels"),
        ("records", f"{evaluation.records:,}", f"{len(evaluation.labels):,} labels"),
        (
            "windows",
            f"{receipts.windows:,}",
            f"{receipts.longer_than_window:,} records longer than one",
        ),
    ]


def _baselines(evaluation: SeveralEvaluation) -> Section:
    own = [evaluation.metrics[name] for name in ("macro_f1", "micro_f1", "subset_accuracy")]
    rows: list[Sequence[str]] = [("this model", *map(percent, own))]
    rows += [
        (f"{each.name.replace('_', ' ')}: {each.description}", *map(percent, each.metrics.values()))
        for each in evaluation.baselines
    ]
    return Section(
        title="Against simple baselines",
        words="All systems answer the same records.",
        columns=("system", "macro F1", "micro F1", "whole sets right"),
        rows=rows,
    )


def _labels(evaluation: SeveralEvaluation) -> Section:
    return Section(
        title="Labels",
        words="Support is how many records have the label. A label is predicted where its "
        "probability reaches the threshold; thresholds were chosen on the validation records.",
        columns=(
            "label", "precision", "recall", "F1", "average precision", "threshold", "support",
            "predicted",
        ),
        rows=[
            (
                row.label,
                percent(row.precision) if row.predicted else "never predicted",
                percent(row.recall) if row.support else "absent",
                percent(row.f1),
                "" if row.average_precision is None else percent(row.average_precision),
                f"{row.threshold:.3f}",
                f"{row.support:,}",
                f"{row.predicted:,}",
            )
            for row in evaluation.rows
        ],
    )  # fmt: skip


def _wrong(evaluation: SeveralEvaluation) -> Section:
    return Section(
        title="Worst mistakes",
        words="Where a label's probability is farthest from the truth. A wrong label in the data "
        "shows here first.",
        misses=[
            Miss(
                id=each.id,
                wanted=", ".join(each.target) or "no label",
                predicted=", ".join(each.prediction) or "no label",
                excerpt=each.excerpt,
            )
            for each in evaluation.wrong
        ],
    )
