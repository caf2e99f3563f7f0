"""``anysize demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, say, show


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.")] = Path(
        "runs/demo"
    ),
    as_json: options.Json = False,
) -> None:
    """The whole life of a model on data that is already here: train, evaluate, read huge inputs."""
    from anysize.demo import run as story

    rows = story.run(out, say)
    if as_json:
        document(story.to_json(rows))
    else:
        show(story.table(rows))
