"""The report: one HTML page that needs nothing beside itself, and the metrics file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from anysize.evaluate import sections
from anysize.evaluate.evaluation import Evaluation
from anysize.evaluate.stylesheet import STYLE


def render_report(
    evaluation: Evaluation, *, title: str, facts: Mapping[str, Any] | None = None
) -> str:
    """The page as text; the same evaluation gives the same page.

    Args:
        evaluation: what to show.
        title: heading, such as the bundle's and the data's name.
        facts: provenance by name (the bundle's card, the data, versions); nested values are
            shown as JSON.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    facts = facts or {}
    subtitle = " · ".join(
        str(facts[name]) for name in ("task", "model", "data") if isinstance(facts.get(name), str)
    )
    body = "".join(
        (
            sections.cards(evaluation),
            sections.notices(evaluation),
            sections.baselines(evaluation),
            sections.sizes(evaluation),
            sections.calibration(evaluation),
            sections.classes(evaluation),
            sections.confusion(evaluation),
            sections.mistakes(evaluation),
            sections.failures(evaluation),
            sections.provenance(facts),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{escape(title)}</h1><div class="muted">{escape(subtitle)}</div>'
        f"{body}</main></body></html>\n"
    )


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    title: str,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into ``folder`` and returns their paths.

    Each is written beside its place and then renamed, so a reader never sees half a file.
    ``metrics.json`` has the metrics at the top level and ``facts`` under ``provenance``.
    """
    page = render_report(evaluation, title=title, facts=facts)
    entries = evaluation.to_json()
    if facts:
        entries["provenance"] = dict(facts)
    folder.mkdir(parents=True, exist_ok=True)
    metrics, report = folder / "metrics.json", folder / "report.html"
    _replace(metrics, json.dumps(entries, ensure_ascii=False, indent=2, default=str) + "\n")
    _replace(report, page)
    return metrics, report


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # A lone surrogate in a file name must not cost the whole report.
        beside.write_bytes(text.encode("utf-8", "replace"))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
