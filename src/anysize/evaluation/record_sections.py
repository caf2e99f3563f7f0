"""The report's sections about single records, and about where the numbers come from."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from anysize.evaluation.evaluation import Evaluation
from anysize.evaluation.markup import percent, section
from anysize.evaluation.mistakes import Mistake


def mistakes(evaluation: Evaluation) -> str:
    """The worst mistakes, each with its picture or text."""
    if not evaluation.mistakes:
        return section("Worst mistakes", "There are none.", "")
    texts = any(entry.excerpt and entry.excerpt.text is not None for entry in evaluation.mistakes)
    style = "mistakes texts" if texts else "mistakes"
    boxes = "".join(_mistake(entry) for entry in evaluation.mistakes)
    return section(
        "Worst mistakes",
        "Where the right class got the least probability. A wrong label in the data shows here "
        "first.",
        f'<div class="{style}">{boxes}</div>',
    )


def _mistake(mistake: Mistake) -> str:
    excerpt = mistake.excerpt
    shown = ""
    where = excerpt.where if excerpt else ""
    if excerpt and excerpt.image is not None:
        data = base64.b64encode(excerpt.image).decode("ascii")
        tiny = ' class="tiny"' if excerpt.media_type == "image/png" else ""
        shown = (
            f'<img{tiny} alt="{escape(mistake.id, quote=True)}" '
            f'src="data:{escape(excerpt.media_type, quote=True)};base64,{data}">'
        )
    if excerpt and excerpt.text is not None:
        shown += f"<blockquote>{escape(excerpt.text)}</blockquote>"
    receipt = mistake.receipt
    plural = "window" if receipt.windows == 1 else "windows"
    facts = f"{mistake.id} · {receipt.windows:,} {plural}" + (f" · {where}" if where else "")
    return (
        f'<div class="mistake">{shown}<div>'
        f'<span class="wrong">{escape(mistake.prediction)}</span> {percent(mistake.score)}'
        f' · should be <span class="right">{escape(mistake.target)}</span> '
        f"{percent(mistake.target_probability)}</div>"
        f'<div class="muted small">{escape(facts)}</div></div>'
    )


def failures(evaluation: Evaluation) -> str:
    """Records that could not be read."""
    if not evaluation.failure_count:
        return ""
    rows = "".join(
        f'<tr><td class="name-cell">{escape(failure.id)}</td>'
        f'<td class="name-cell">{escape(failure.error)}</td></tr>'
        for failure in evaluation.failures
    )
    shown = len(evaluation.failures)
    words = f"{evaluation.failure_count:,} records" + (
        f"; the first {shown:,} are named." if shown < evaluation.failure_count else "."
    )
    return section(
        "Could not be read",
        words,
        '<div class="scroll"><table class="wide"><thead><tr><th class="name-cell">record</th>'
        f'<th class="name-cell">reason</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


def provenance(facts: Mapping[str, Any]) -> str:
    """What was evaluated, as the caller states it; nested values as JSON."""
    if not facts:
        return ""
    return section("Provenance", "", f'<dl class="facts">{"".join(_facts(facts))}</dl>')


def _facts(facts: Mapping[str, Any]) -> Iterable[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping | list | tuple):
            text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
            shown = f"<pre>{escape(text)}</pre>"
            if text.count("\n") > 8:
                shown = f"<details><summary>{len(value):,} entries</summary>{shown}</details>"
        else:
            shown = escape(str(value))
        yield f"<dt>{escape(str(name))}</dt><dd>{shown}</dd>"
