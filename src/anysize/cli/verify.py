"""``anysize verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import document, out, say


def command(
    bundle: Annotated[
        str,
        typer.Argument(help="A bundle that embeds: faces or voices."),
    ],
    first: Annotated[Path, typer.Argument(help="A file.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    gallery: options.Gallery = None,
    threshold: options.Threshold = None,
    memory: options.Memory = None,
    as_json: options.Json = False,
) -> None:
    """Say whether two files are of one person."""
    from anysize import api
    from anysize.sources.inputs import check_paths

    check_paths([first, second])
    matching = {"gallery": gallery, "threshold": threshold}
    settings = api.PredictOptions(memory=memory, of_task=matching)
    found = api.load(bundle, memory=settings.budget).verify(first, second, settings)
    for line in found.notes():
        say(line)
    if as_json:
        document(found.to_json())
        return
    words = {True: "one person", False: "two people", None: "no threshold, so no verdict"}
    out(f"{words[found.same]}: similarity {found.score:.3f}{_against(found.threshold, gallery)}")
    if found.calibration is not None:
        out(f"the threshold {found.calibration.words()}")


def _against(threshold: float | None, gallery: Path | None) -> str:
    if threshold is None and gallery is not None:
        return f" ({gallery} has no threshold for pairs: enroll more people, or give --threshold)"
    if threshold is None:
        return " (give --gallery or --threshold)"
    return f", threshold {threshold:.3f}"
