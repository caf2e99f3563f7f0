"""Reports that are a list of sections: of several labels, of numbers, of ordered labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.excerpts import Excerpt
from anysize.core.records import Source
from anysize.evaluation import pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A record that the model got wrong, as a page shows it."""

    id: str
    wanted: str
    predicted: str
    excerpt: Excerpt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled part of a page.

    Attributes:
        title, words: what it shows.
        plots: SVG, side by side.
        columns, rows: of a table; the first column is names.
        misses: records that the model got wrong.
    """

    title: str
    words: str = ""
    plots: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    misses: Sequence[Miss] = ()


def write(
    evaluation: Any,
    folder: Path,
    *,
    cards: Sequence[tuple[str, str, str]],
    notices: Sequence[str],
    sections: Sequence[Section],
    card: Mapping[str, Any],
    source: Source,
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html``.

    Args:
        evaluation: with ``to_json``, ``findings``, ``failures`` and ``failure_count``.
        folder: made where there is none.
        cards: the main numbers: name, value, note.
        notices: sentences that must be read first.
        sections: of the page.
        card: of the bundle.
        source: what was evaluated.
    """
    pages.report(
        "evaluation/templates/sections.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=cards,
        notices=notices,
        sections=sections,
    )
