"""Pages of HTML from templates: each needs nothing beside itself, and escapes what is put into it.

A template is a file of a ``templates`` folder, named by its path below the package
(``evaluation/templates/page.html``). Pages extend that one and import the macros of ``parts.html``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.excerpts import Excerpt
from anysize.core.files import write_json, write_text
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.evaluation.findings import details
from anysize.evaluation.numbers import between, percent, points, probability

if TYPE_CHECKING:
    from jinja2 import Environment


def page(template: str, *, title: str, subtitle: str = "", **values: Any) -> str:
    """A whole page as text; the same values give the same page.

    Args:
        template: its path below the package.
        title: heading.
        subtitle: a line below it.
        **values: what the template uses; ``findings`` and ``provenance`` have sections of their own
            at its end.
    """
    return _environment().get_template(template).render(title=title, subtitle=subtitle, **values)


def report(
    template: str, evaluation: Any, folder: Path, *, card: Mapping[str, Any], source: Source,
    **values: Any,
) -> tuple[Path, Path]:  # fmt: skip
    """Writes ``metrics.json`` and a self-contained ``report.html`` and returns their paths.

    Args:
        template: its path below the package.
        evaluation: with ``to_json`` and ``findings``.
        folder: made where there is none.
        card: of the bundle.
        source: what was evaluated.
        **values: what the template uses beside the evaluation.
    """
    provenance = facts_of(card, source)
    text = page(
        template,
        **headings(card, source),
        evaluation=evaluation,
        findings=evaluation.findings,
        provenance=provenance,
        **values,
    )
    return write(folder, {**evaluation.to_json(), "provenance": provenance}, text)


def write(folder: Path, entries: Mapping[str, Any], text: str) -> tuple[Path, Path]:
    """Writes ``metrics.json`` and ``report.html`` into a folder and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics, report = folder / "metrics.json", folder / "report.html"
    write_json(metrics, dict(entries))
    write_text(report, text)
    return metrics, report


def headings(card: Mapping[str, Any], source: Source | None) -> dict[str, str]:
    """The title and the subtitle of an evaluation's page."""
    return {
        "title": f"Evaluation on {short_name(source.name)}" if source else "Evaluation",
        "subtitle": " · ".join(str(card[name]) for name in ("task", "model") if name in card),
    }


def facts_of(card: Mapping[str, Any], source: Source | None) -> dict[str, Any]:
    """What was evaluated: the data first, then the card."""
    facts: dict[str, Any] = {}
    if source is not None:
        facts["data"] = source.name
        facts["data fingerprint"] = source.fingerprint()
    facts["anysize version"] = _version()
    return {**facts, **card}


def short_name(name: str) -> str:
    """The last part of a path, which is what a reader knows the data by."""
    return Path(name).name or name


def _version() -> str:
    try:
        return metadata.version("anysize")
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("anysize", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        between=between,
        data_url=_data_url,
        details=details,
        number_of=number_of,
        indented=_indented,
        percent=percent,
        points=points,
        probability=probability,
        sound_url=_sound_url,
        thousands="{:,}".format,
    )
    environment.tests["ideographic"] = _is_ideographic
    return environment


def _data_url(excerpt: Excerpt) -> str:
    return _url(excerpt.media_type, excerpt.image)


def _sound_url(excerpt: Excerpt) -> str:
    return _url(excerpt.sound_type, excerpt.sound)


def _url(media_type: str, content: bytes | None) -> str:
    data = base64.b64encode(content or b"").decode("ascii")
    return f"data:{media_type};base64,{data}"


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _is_ideographic(label: str) -> bool:
    """Whether the label is in a script whose characters are upright in a vertical line."""
    return any("\u2e80" <= character <= "\uffef" for character in label)
