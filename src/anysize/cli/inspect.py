"""``anysize inspect``."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anysize.cli import options
from anysize.cli.output import document, show

if TYPE_CHECKING:
    from rich.table import Table


def command(
    what: Annotated[str, typer.Argument(help="A bundle, a model folder, a table or a folder.")],
    task: options.Task = None,
    model: Annotated[
        str | None, typer.Option(help="Bundle whose window text lengths are compared with.")
    ] = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.Json = False,
) -> None:
    """Print a bundle's card, or a dataset's counts, lengths, sizes and corrupt files."""
    from anysize import api
    from anysize.sources.inputs import check_paths

    check_paths([what])
    if _is_model(Path(what)):
        card = api.card(what)
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
    if as_json:
        document(statistics.to_json())
    else:
        from anysize.evaluate.rendering import render

        show(render(statistics))


def _is_model(path: Path) -> bool:
    from anysize.models.keras.suffixes import is_keras

    return is_keras(path) or any(
        (path / name).is_file() for name in ("anysize.json", "config.json")
    )


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
