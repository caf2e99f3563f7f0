"""The report of a verification: one HTML page, the metrics file, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.evaluation import pages
from anysize.evaluation import verification_plots as plots
from anysize.evaluation.numbers import between, percent
from anysize.evaluation.verification_result import Verification

_BARS = 128
_RATES = ("0.01", "0.001")


def write(
    evaluation: Verification, folder: Path, *, card: Mapping[str, Any], source: Source
) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into ``folder`` and returns their paths."""
    return pages.report(
        "evaluation/templates/verification.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=_lines(evaluation),
        plots=_plots(evaluation),
        operating=list(zip(_RATES, evaluation.operating, strict=True)),
    )


def _plots(evaluation: Verification) -> dict[str, str]:
    points = evaluation.curve()
    genuine, impostor = evaluation.counts.histogram(_BARS)
    edges = np.linspace(-1, 1, _BARS + 1)
    return {
        "roc": plots.roc([point["far"] for point in points], [point["tar"] for point in points]),
        "errors": plots.error_rates(points, evaluation.eer, evaluation.eer_threshold),
        "scores": plots.score_histogram(edges, genuine, impostor, evaluation.eer_threshold),
    }


def table(evaluation: Verification) -> RenderableType:
    """What the terminal shows."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("metric")
    shown.add_column("value", justify="right")
    shown.add_column("95% interval", justify="right")
    for name, value in evaluation.main().items():
        bounds = evaluation.eer_interval if name == "eer" else None
        shown.add_row(name, percent(value), between(bounds) if bounds else "")
    words = (
        f"{evaluation.samples:,} samples of {evaluation.identities:,} identities: "
        f"{evaluation.counts.genuine:,} genuine and {evaluation.counts.impostor:,} impostor pairs"
    )
    notes = [Text(line, style="yellow") for line in _lines(evaluation)]
    return Group(shown, Text(words), *notes)


def _cards(evaluation: Verification) -> list[tuple[str, str, str]]:
    entries = [
        (
            "equal error rate",
            percent(evaluation.eer),
            between(evaluation.eer_interval) if evaluation.eer_interval else "",
        ),
        *(
            (
                f"TAR at FAR {rate}",
                percent(evaluation.main()[f"tar_at_far_{rate}"]),
                f"from a cosine of {point.threshold:.3f} on",
            )
            for rate, point in zip(_RATES, evaluation.operating, strict=True)
        ),
        ("identities", f"{evaluation.identities:,}", f"{evaluation.samples:,} samples"),
    ]
    if evaluation.rank1 is not None and evaluation.rank1_single is not None:
        entries[3:3] = [
            (
                "closed-set accuracy",
                percent(evaluation.closed_set or 0.0),
                "each against a template of all others",
            ),
            ("rank-1", percent(evaluation.rank1), "each against all others"),
            ("rank-1, single", percent(evaluation.rank1_single), "one sample a person enrolled"),
        ]
    return entries


def _lines(evaluation: Verification) -> list[str]:
    lines = []
    people, samples = evaluation.trained
    if people:
        lines.append(
            f"{number_of(samples, 'sample', 'samples')} of "
            f"{number_of(people, 'identity', 'identities')} that the model was trained on: "
            "left out."
        )
    for rate, pairs in ((0.01, 100), (0.001, 1000)):
        if evaluation.counts.impostor < 3 * pairs:
            lines.append(
                f"{evaluation.counts.impostor:,} impostor pairs are too few to measure a "
                f"false-accept rate of {rate:g}: read the TAR there as a rough figure."
            )
    if evaluation.identities < 30:
        lines.append(
            f"{evaluation.identities:,} identities are few: the interval, which is drawn over "
            "identities, says how little is certain."
        )
    if evaluation.empty:
        lines.append(f"Nothing was found in {number_of(evaluation.empty, 'sample', 'samples')}.")
    if evaluation.without_target:
        lines.append(
            f"{number_of(evaluation.without_target, 'record has', 'records have')} no identity."
        )
    if evaluation.failure_count:
        lines.append(
            f"{number_of(evaluation.failure_count, 'record', 'records')} could not be read."
        )
    return lines
