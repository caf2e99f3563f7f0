"""``anysize list``."""

from __future__ import annotations

from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, out
from anysize.core import plugins

_ROOMS = {
    "tasks": "tasks",
    "models": "models",
    "augmentations": "augment",
    "runtimes": "runtimes",
    "mergers": "mergers",
}


def command(
    what: Annotated[str, typer.Argument(help=", ".join(_ROOMS))],
    as_json: options.Json = False,
) -> None:
    """List what there is: tasks, models, augmentations, runtimes, mergers."""
    options.choice(what, "what", tuple(_ROOMS))
    found = plugins.keys(_ROOMS[what])
    if as_json:
        document({what: list(found)})
        return
    for key, module in found.items():
        out(f"{key:<22}{plugins.summary(module)}")
