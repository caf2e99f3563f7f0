"""``anysize list``."""

from __future__ import annotations

from dataclasses import asdict
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
    "formats": "export",
    "methods": "compress",
}

_STEPS = {
    "pictures": "Steps for pictures (in brackets: what a step becomes part of)",
    "recordings": "Steps for recordings (in brackets: what a step changes)",
    "texts": "Steps for texts (in brackets: what a step changes)",
}


def command(
    what: Annotated[str, typer.Argument(help=", ".join(_ROOMS))],
    as_json: options.Json = False,
) -> None:
    """List what there is: tasks, models, augmentations, runtimes, mergers, formats, methods."""
    options.choice(what, "what", tuple(_ROOMS))
    if what == "augmentations":
        _augmentations(as_json)
        return
    found = plugins.keys(_ROOMS[what])
    if as_json:
        document({what: list(found)})
        return
    width = max(map(len, found), default=0) + 2
    for key, module in found.items():
        out(f"{key:<{width}}{plugins.summary(module)}")


def _augmentations(as_json: bool) -> None:
    """Policies and steps with their parameters, from the declarations of the steps."""
    from anysize.augmentation.catalogue import describe

    entries = describe()
    if as_json:
        names = [entry.name for entry in entries]
        document({"augmentations": names, "entries": [asdict(entry) for entry in entries]})
        return
    out("Policies")
    for entry in entries:
        if entry.fuses == "policy":
            out(f"  {entry.name:<13}{entry.about}")
            out(f"  {'':<13}= {entry.steps}")
    out("")
    for content, heading in _STEPS.items():
        out(heading)
        for entry in entries:
            if entry.content != content:
                continue
            out(f"  {entry.usage}  [{entry.fuses}]")
            out(f"      {entry.about}")
            for item in entry.parameters:
                out(f"      {item.name:<12}{item.about}; {item.rule}")
        out("")
