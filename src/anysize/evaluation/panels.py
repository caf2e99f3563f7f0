"""Parts that the reports of all heads have: cards of numbers, notices, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from anysize.core.files import write_json, write_text
from anysize.core.records import Source
from anysize.core.results import ErrorResult
from anysize.evaluation import record_sections
from anysize.evaluation.markup import section
from anysize.evaluation.report import facts_of, page, short_name


def cards(entries: Iterable[tuple[str, str, str]]) -> str:
    """The main numbers: name, value, and a note."""
    boxes = "".join(
        f'<div class="card"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
        for name, value, note in entries
    )
    return f'<div class="cards">{boxes}</div>'


def notices(lines: Iterable[str]) -> str:
    """Sentences that must be read first."""
    return "".join(f'<div class="notice">{escape(line)}</div>' for line in lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is names."""
    head = "".join(
        f"<th{_name_cell(place)}>{escape(name)}</th>" for place, name in enumerate(columns)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_name_cell(place)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="wide"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _name_cell(place: int) -> str:
    return "" if place else ' class="name-cell"'


def failures(named: Sequence[ErrorResult], count: int) -> str:
    """Records that could not be read."""
    if not count:
        return ""
    words = f"{count:,} records" + (
        f"; the first {len(named):,} are named." if len(named) < count else "."
    )
    rows = [(each.id, each.error) for each in named]
    return section("Could not be read", words, table(("record", "reason"), rows))


def write(
    folder: Path,
    entries: Mapping[str, Any],
    body: str,
    *,
    card: Mapping[str, Any],
    source: Source,
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html``.

    Args:
        folder: made where there is none.
        entries: of ``metrics.json``.
        body: sections of the page.
        card: of the bundle.
        source: what was evaluated.
    """
    about = facts_of(card, source)
    subtitle = " · ".join(str(card[name]) for name in ("task", "model") if name in card)
    title = f"Evaluation on {short_name(source.name)}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "metrics.json", {**entries, "provenance": about})
    write_text(
        folder / "report.html", page(title, subtitle, body + record_sections.provenance(about))
    )
