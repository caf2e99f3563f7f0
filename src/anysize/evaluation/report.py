"""The report: one HTML page that needs nothing beside itself, and the metrics file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from anysize.core.files import write_json, write_text
from anysize.core.records import Source
from anysize.evaluation import class_sections, record_sections, sections
from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.findings import findings_section
from anysize.evaluation.stylesheet import STYLE


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
    about = facts_of(card, source)
    subtitle = " · ".join(str(card[name]) for name in ("task", "model") if name in card)
    if title is None:
        title = f"Evaluation on {short_name(source.name)}" if source else "Evaluation"
    body = "".join(
        (
            sections.cards(evaluation),
            sections.notices(evaluation),
            sections.baselines(evaluation),
            sections.sizes(evaluation),
            sections.calibration(evaluation),
            class_sections.classes(evaluation),
            class_sections.confusion(evaluation),
            record_sections.mistakes(evaluation),
            record_sections.failures(evaluation),
            findings_section(evaluation.findings),
            record_sections.provenance(about),
        )
    )
    return page(title, subtitle, body)


def page(title: str, subtitle: str, body: str) -> str:
    """A whole page around its sections; ``body`` is HTML, the rest is escaped."""
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
    card: Mapping[str, Any] | None = None,
    source: Source | None = None,
    title: str | None = None,
) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into ``folder`` and returns their paths.

    Each is written beside its place and then renamed, so a reader never sees half a file.
    ``metrics.json`` has the metrics at the top level, the data and the card under
    ``provenance``. The arguments are those of ``render_report``.
    """
    page = render_report(evaluation, card=card, source=source, title=title)
    entries = {**evaluation.to_json(), "provenance": facts_of(card or {}, source)}
    folder.mkdir(parents=True, exist_ok=True)
    metrics, report = folder / "metrics.json", folder / "report.html"
    write_json(metrics, entries)
    write_text(report, page)
    return metrics, report


def facts_of(card: Mapping[str, Any], source: Source | None) -> dict[str, Any]:
    """What was evaluated: the data first, then the card."""
    facts: dict[str, Any] = {}
    if source is not None:
        facts["data"] = source.name
        facts["data fingerprint"] = source.fingerprint()
    facts["anysize version"] = _version()
    return {**facts, **card}


def _version() -> str:
    try:
        return metadata.version("anysize")
    except metadata.PackageNotFoundError:
        return "not installed"


def short_name(name: str) -> str:
    """The last part of a path, which is what a reader knows the data by."""
    return Path(name).name or name
