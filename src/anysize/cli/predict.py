"""``anysize predict``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import bundle_command, options, predicting
from anysize.cli.output import check_not_input, check_out_file, document, say
from anysize.core.errors import ConfigurationError

Inputs = Annotated[
    list[str], typer.Argument(help="Files, folders, tables; '-' reads a record a line.")
]
Out = Annotated[
    Path | None, typer.Option(help="File for the results: .jsonl (JSON Lines), .csv or .parquet.")
]
Keep = Annotated[
    str | None,
    typer.Option(help="Columns of the input that the results carry: names with commas, or all."),
]
Draw = Annotated[
    Path | None, typer.Option(help="Folder for pictures with boxes, faces and labels drawn on.")
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", help="Also print what is known of a record while its prediction is being made."
    ),
]
Top = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Only the N results with the highest predictions, the highest first: numbers, or "
        "the nearest texts (--near).",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a prediction into --out was cut off.")
]


def command(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="A bundle, a Hugging Face folder or a hub id.")],
    inputs: Inputs,
    out: Out = None,
    keep: Keep = None,
    draw: Draw = None,
    stream: Stream = False,
    top: Top = None,
    resume: Resume = False,
    task: options.Task = None,
    labels: options.Labels = None,
    pixels: options.Pixels = None,
    as_json: options.Json = False,
) -> None:
    """Predict on inputs of any size; one JSON object a line, each with a receipt."""
    from anysize import api
    from anysize.results.best import Best
    from anysize.results.rows import Rows
    from anysize.results.sinks import check_out
    from anysize.sources.inputs import check_paths

    settings = bundle_command.prediction_options(context)
    if top is not None and (stream or resume or draw is not None):
        raise ConfigurationError(
            "--top needs all results before it gives the first, so --stream, --resume and --draw "
            "cannot be given with it"
        )
    check_paths(inputs)
    if stream and (out is not None or as_json):
        raise ConfigurationError(
            "--stream prints lines as they come, which results in a file (--out) or in one "
            "document (--json) cannot be: leave out one of them"
        )
    check_out(out, resume=resume)
    check_out_file(out)
    check_not_input(out, [each for each in inputs if each != "-"])
    if resume and "-" in inputs:
        raise ConfigurationError("--resume cannot read standard input again: give files")
    model = api.load(
        bundle, task, memory=settings.budget, labels=options.labels(labels), pixels=pixels
    )
    settings = bundle_command.completed(context, settings, model.task)
    drawing = predicting.drawing_for(draw, model)
    tally = predicting.Tally()
    with ExitStack() as stack:
        paths, renamed = predicting.paths_of(stack, inputs, model, settings.encoding)
        source = model.open(paths, settings, tally.findings)
        rows = Rows(source, predicting.names_of(keep), renamed)
        work = predicting.work_of(model, source, settings, inputs, keep) if out is not None else {}
        sink = predicting.sink_for(out, work, tally, resume=resume, one=as_json)
        if top is not None:
            sink = tally.best = Best(sink, top)
        tally.begin(stack.enter_context(sink))
        predicting.run(model, source, settings, rows, sink, tally, drawing, stream=stream)
    for line in (*tally.lines(), *rows.words(), *(drawing.words() if drawing else ())):
        say(line)
    if as_json and out is not None:
        document({**tally.summary(), "out": str(out), "findings": tally.findings.to_json()})
    if not tally.results:
        raise typer.Exit(2)
