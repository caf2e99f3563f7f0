"""``anysize evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import bundle_command, options
from anysize.cli.output import check_not_input, check_out_folder, document, say, show


def command(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="A bundle, a Hugging Face folder or a hub id.")],
    data: Annotated[list[str], typer.Argument(help="Labelled data: tables or folders.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for metrics.json and report.html.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation or test; default: test, else validation, where the data names "
            "one."
        ),
    ] = None,
    task: options.Task = None,
    labels: options.Labels = None,
    pixels: options.Pixels = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled data: metrics.json and a self-contained report.html."""
    from anysize import api
    from anysize.sources.inputs import check_paths, check_split
    from anysize.sources.opening import all_matching

    settings = bundle_command.prediction_options(context)
    check_paths(data)
    split = check_split(data, split)
    check_out_folder(out)
    for name in ("metrics.json", "report.html"):
        check_not_input(None if out is None else out / name, all_matching(data))
    model = api.load(
        bundle, task, memory=settings.budget, labels=options.labels(labels), pixels=pixels
    )
    settings = bundle_command.completed(context, settings, model.task)
    evaluation = model.evaluate(data, out, settings, split=split)
    if as_json:
        document(evaluation.to_json())
    else:
        from anysize.evaluation.rendering import render

        show(render(evaluation))
    if out is not None:
        say(f"wrote {out / 'metrics.json'} and {out / 'report.html'}")
