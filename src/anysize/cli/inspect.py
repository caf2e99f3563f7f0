"""``anysize inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anysize.cli import options
from anysize.cli.output import check_out_file, document, say, show
from anysize.core.errors import ConfigurationError
from anysize.core.plurals import number_of

if TYPE_CHECKING:
    from rich.table import Table

    from anysize.core.findings import Finding
    from anysize.evaluation.statistics import DataStatistics


def command(
    what: Annotated[
        list[str], typer.Argument(help="A bundle or a model folder; or tables or folders of data.")
    ],
    task: options.Task = None,
    model: Annotated[
        str | None, typer.Option(help="Bundle whose window text lengths are compared with.")
    ] = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    sheet: Annotated[
        Path | None,
        typer.Option("--out", help="PNG file for pictures with the boxes of their objects."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 2 where there is a warning.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Print a bundle's card, or a dataset's counts, lengths, sizes and corrupt files."""
    from anysize import api
    from anysize.sources.inputs import check_paths

    check_paths(what)
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ConfigurationError(f"--out must be a file that ends in .png, not {str(sheet)!r}")
    check_out_file(sheet)
    if len(what) == 1 and api.is_model(what[0]):
        card = api.card(what[0])
        if as_json:
            document(card)
        else:
            show(_card_table(card))
        return
    statistics = api.statistics(
        what,
        task=task,
        model=model,
        columns=options.pairs(columns, "--columns"),
        encoding=encoding,
    )
    if sheet is not None:
        _draw(what, statistics, sheet, columns, encoding)
    if as_json:
        if strict:
            _refuse(statistics.findings)
        document(statistics.to_json())
    else:
        from anysize.evaluation.rendering import render

        show(render(statistics))
    if strict:
        _refuse(statistics.findings)


def _refuse(findings: Sequence[Finding]) -> None:
    from anysize.core.findings import Findings

    found = Findings()
    found.join(findings)
    found.refuse(strict=True)


def _draw(
    what: list[str], statistics: DataStatistics, sheet: Path, columns: str | None, encoding: str
) -> None:
    from anysize import api
    from anysize.evaluation.object_statistics import ObjectStatistics
    from anysize.sources.opening import called

    if not isinstance(statistics, ObjectStatistics):
        raise ConfigurationError(
            f"--out draws the boxes of objects, but {called(what)} is not read as pictures with "
            "objects: give --task object-detection, or leave it out"
        )
    renamed = options.pairs(columns, "--columns")
    made = api.boxes_sheet(what, sheet, columns=renamed, encoding=encoding)
    for failure in made.failures:
        say(f"anysize: not shown: {failure}")
    say(f"{sheet}: {number_of(len(made.records), 'picture with its', 'pictures with their')} boxes")


def _card_table(card: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(show_header=False, title="bundle")
    for key, value in card.items():
        table.add_row(key, _short(value))
    return table


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(
            f"{key}:{_below(_short(entry), entry)}"
            for key, entry in value.items()
            if entry is not None
        )
    if isinstance(value, list | tuple):
        shown = ", ".join(str(item) for item in value[:20])
        return shown + (f", … ({len(value)} in all)" if len(value) > 20 else "")
    return str(value)


def _below(words: str, value: Any) -> str:
    """Behind its key, or indented on the lines below where it has keys of its own."""
    if isinstance(value, dict) and value:
        return "\n" + indent(words, "  ")
    return f" {words}" if words else " none"
