"""``anysize inspect``."""

from __future__ import annotations

from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, show


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

    api.check_paths([what])
    if api.is_model(what):
        card = api.card(what)
        if as_json:
            document(card)
        else:
            show(api.render_card(card))
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
        from anysize.evaluate import render

        show(render(statistics))
