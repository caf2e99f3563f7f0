"""The report of a verification: one HTML page, the metrics file, and a table for the terminal."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anysize.core.files import write_json, write_text
from anysize.core.records import Source
from anysize.evaluation import record_sections
from anysize.evaluation import verification_plots as plots
from anysize.evaluation.findings import findings_section
from anysize.evaluation.markup import between, counted, percent, section
from anysize.evaluation.mistakes import Excerpt
from anysize.evaluation.report import facts_of, page, short_name
from anysize.evaluation.verification_result import Verification
from anysize.evaluation.verification_run import Pair

_BARS = 128


def write(
    evaluation: Verification, folder: Path, *, card: Mapping[str, Any], source: Source
) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into ``folder`` and returns their paths."""
    facts = facts_of(card, source)
    html = page(
        title=f"Evaluation on {short_name(source.name)}",
        subtitle=" · ".join(str(card[name]) for name in ("task", "model") if name in card),
        body=body(evaluation) + record_sections.provenance(facts),
    )
    entries = {**evaluation.to_json(), "provenance": facts}
    metrics, report = folder / "metrics.json", folder / "report.html"
    write_json(metrics, entries)
    write_text(report, html)
    return metrics, report


def body(evaluation: Verification) -> str:
    """The page's sections."""
    return "".join(
        (
            _cards(evaluation),
            _notices(evaluation),
            _curves(evaluation),
            _scores(evaluation),
            _operating(evaluation),
            _pairs(
                "Hardest pairs of one person",
                "The least similar pictures of the same person: what a strict threshold rejects.",
                evaluation.false_rejects,
            ),
            _pairs(
                "Hardest pairs of two people",
                "The most similar pictures of different people: what a loose threshold accepts. A "
                "wrong name in the data shows here first.",
                evaluation.false_accepts,
            ),
            _failures(evaluation),
            findings_section(evaluation.findings),
        )
    )


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


def _cards(evaluation: Verification) -> str:
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
            for rate, point in zip(("0.01", "0.001"), evaluation.operating, strict=True)
        ),
        ("identities", f"{evaluation.identities:,}", f"{evaluation.samples:,} samples"),
    ]
    if evaluation.rank1 is not None and evaluation.rank1_single is not None:
        entries[3:3] = [
            ("rank-1", percent(evaluation.rank1), "each against all others"),
            ("rank-1, single", percent(evaluation.rank1_single), "one sample a person enrolled"),
        ]
    boxes = "".join(
        f'<div class="card"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
        for name, value, note in entries
    )
    return f'<div class="cards">{boxes}</div>'


def _lines(evaluation: Verification) -> list[str]:
    lines = []
    people, samples = evaluation.trained
    if people:
        lines.append(
            f"{counted(samples, 'sample', 'samples')} of "
            f"{counted(people, 'identity', 'identities')} that the model was trained on: left out."
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
        lines.append(f"Nothing was found in {counted(evaluation.empty, 'sample', 'samples')}.")
    if evaluation.without_target:
        lines.append(
            f"{counted(evaluation.without_target, 'record has', 'records have')} no identity."
        )
    if evaluation.failure_count:
        lines.append(f"{counted(evaluation.failure_count, 'record', 'records')} could not be read.")
    return lines


def _notices(evaluation: Verification) -> str:
    return "".join(f'<div class="notice">{escape(line)}</div>' for line in _lines(evaluation))


def _curves(evaluation: Verification) -> str:
    points = evaluation.curve()
    accepted = [point["far"] for point in points], [point["tar"] for point in points]
    return section(
        "Errors at every threshold",
        "Left, the ROC curve: true accepts against false accepts, on a logarithmic scale, because "
        "the low rates are the ones that matter. Right, both errors against the threshold; they "
        "cross at the equal error rate.",
        f'<div class="pair"><div class="plot">{plots.roc(*accepted)}</div><div class="plot">'
        f"{plots.error_rates(points, evaluation.eer, evaluation.eer_threshold)}</div></div>",
    )


def _scores(evaluation: Verification) -> str:
    genuine, impostor = evaluation.counts.histogram(_BARS)
    edges = np.linspace(-1, 1, _BARS + 1)
    return section(
        "Scores",
        f"Cosines of {evaluation.counts.genuine:,} pairs of one person and "
        f"{evaluation.counts.impostor:,} pairs of two, each as a share of its kind.",
        f'<div class="plot">'
        f"{plots.score_histogram(edges, genuine, impostor, evaluation.eer_threshold)}</div>",
    )


def _operating(evaluation: Verification) -> str:
    rows = "".join(
        f"<tr><td>{rate}</td><td>{point.threshold:.4f}</td>"
        f"<td>{point.false_accept_rate:.4%}</td><td>{percent(point.true_accept_rate)}</td></tr>"
        for rate, point in zip(("0.01", "0.001"), evaluation.operating, strict=True)
    )
    return section(
        "Operating points",
        "The lowest threshold whose false-accept rate on these pairs is at most the one asked for.",
        '<div class="scroll"><table class="wide"><thead><tr><th>FAR asked for</th>'
        "<th>threshold</th><th>FAR</th><th>TAR</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>",
    )


def _pairs(title: str, words: str, pairs: Sequence[Pair]) -> str:
    boxes = "".join(
        f'<div class="mistake">{_shown(pair.excerpts)}<div>cosine {pair.score:.3f} '
        f"· {escape(' and '.join(dict.fromkeys(pair.identities)))}</div>"
        f'<div class="muted small">{escape(" · ".join(pair.records))}</div></div>'
        for pair in pairs
    )
    return section(title, words, f'<div class="mistakes">{boxes}</div>')


def _shown(excerpts: tuple[Excerpt | None, Excerpt | None]) -> str:
    pictures = "".join(
        f'<img alt="" style="width:50%" src="data:{escape(excerpt.media_type, quote=True)};base64,'
        f'{base64.b64encode(excerpt.image).decode("ascii")}">'
        for excerpt in excerpts
        if excerpt is not None and excerpt.image is not None
    )
    return f'<div style="display:flex;gap:6px;align-items:center">{pictures}</div>'


def _failures(evaluation: Verification) -> str:
    rows = "".join(
        f'<tr><td class="name-cell">{escape(failure.id)}</td>'
        f'<td class="name-cell">{escape(failure.error)}</td></tr>'
        for failure in evaluation.failures
    )
    if not rows:
        return ""
    return section(
        "Could not be read",
        f"{evaluation.failure_count:,} records; the first {len(evaluation.failures):,} are named.",
        f'<div class="scroll"><table class="wide"><tbody>{rows}</tbody></table></div>',
    )
