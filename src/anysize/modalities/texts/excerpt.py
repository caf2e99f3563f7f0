"""Pieces of texts for reports."""

from __future__ import annotations

from collections.abc import Mapping

from anysize.core.excerpts import Excerpt
from anysize.core.records import TextField

CHARACTERS = 600


def excerpt_of(
    field: TextField, region: Mapping[str, int], characters: int = CHARACTERS
) -> Excerpt:
    """The start of the most confident window where it is known, else of the document."""
    start = region.get("start", 0)
    stop = min(region.get("stop", start + characters), start + characters)
    text = field.read(start, stop + 1)
    cut = len(text) > stop - start
    text = text[: stop - start]
    shown = f"{'…' if start else ''}{text}{'…' if cut else ''}"
    if "start" in region:
        where = f"from character {start:,}, where the most confident window begins"
    else:
        where = f"the first {len(text):,} characters" if cut else ""
    return Excerpt(text=shown, where=where)
