"""``anysize predict``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anysize.cli import bundle_command, live, options, predicting, prediction_checks
from anysize.cli.output import check_not_input, check_out_file, document, say
from anysize.core.files import is_standard_output

if TYPE_CHECKING:
    from anysize.results.rows import Rows

Inputs = Annotated[
    list[str],
    typer.Argument(help="Files, folders, tables; '-' reads a record a line, or live sound."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="File for the results: .jsonl (JSON Lines), .csv or .parquet; transcripts also .txt, "
        ".srt or .vtt, timelines of speakers .rttm, speech .wav, .flac, .ogg or .mp3. Or a folder "
        "for a file for each record (--files)."
    ),
]
Files = Annotated[
    str | None,
    typer.Option(
        metavar="SUFFIX", help="Format of the files in a folder (--out DIR), such as srt or flac."
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="How results of live input are printed as they come: jsonl, of transcripts also txt, "
        "srt or vtt, of timelines txt or vtt.",
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(help="Columns of the input that the results carry: names with commas, or all."),
]
Draw = Annotated[
    Path | None,
    typer.Option(
        help="Folder for pictures with boxes, faces and labels drawn on, or pages of events with "
        "excerpts to listen to."
    ),
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
    files: Files = None,
    shape: Format = None,
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
    from anysize.results.own_files import own_files
    from anysize.results.rows import Rows
    from anysize.results.sinks import check_out
    from anysize.sources.inputs import check_paths
    from anysize.tasks.abilities import check_number, formats_of, row_writers

    settings = bundle_command.prediction_options(context)
    out = None if is_standard_output(out) else out
    prediction_checks.check_together(
        inputs, out, top=top, stream=stream, resume=resume, draw=draw, one=as_json
    )
    check_paths(inputs)
    own = prediction_checks.checked_own(out, files, top=top, resume=resume)
    if not own:
        check_out(out, resume=resume, formats=None)
        check_out_file(out)
    check_not_input(out, [each for each in inputs if each != "-"])
    pipe = live.begun(inputs)
    model = api.load(
        bundle, task, memory=settings.budget, labels=options.labels(labels), pixels=pixels
    )
    settings = bundle_command.completed(context, settings, model.task)
    formats = row_writers(model.task)
    if not own:
        check_out(out, resume=resume, formats=formats, others=formats_of(model.task))
    tally = predicting.Tally()
    if pipe is not None and live.is_live(pipe, model, settings):
        live.check(inputs, {
            "--top": top is not None, "--draw": draw is not None, "--keep": keep is not None,
            "--stream": stream, "--out with a folder": own,
        })  # fmt: skip
        with live.sink_for(model, out, shape, tally, one=as_json) as sink:
            live.run(model, pipe, settings, sink, tally)
        _end(tally, out, tally.lines(), as_json=as_json)
        return
    live.refuse_format(shape)
    model.check_gallery(settings)
    drawing = predicting.drawing_for(draw, model)
    with ExitStack() as stack:
        paths, renamed = predicting.paths_of(stack, inputs, model, settings.encoding, pipe)
        source = model.open(paths, settings, tally.findings)
        made = None
        if own and out is not None:
            made = own_files(out, model.task, files, len(source))
            out = made.rows
        if out is not None:
            check_number(model.task, out.suffix, len(source))
        rows = Rows(source, predicting.names_of(keep), renamed)
        if resume and _is_finished(out, len(source), rows, as_json=as_json):
            return
        work = predicting.work_of(model, source, settings, inputs, keep) if out is not None else {}
        sink = predicting.sink_for(out, work, tally, resume=resume, one=as_json, formats=formats)
        if top is not None:
            sink = tally.best = Best(sink, top)
        tally.begin(stack.enter_context(sink))
        predicting.run(model, source, settings, rows, sink, tally, drawing, made, stream=stream)
    more = [*(drawing.words() if drawing else ()), *predicting.own_words(made, model.task)]
    _end(tally, out, (*tally.lines(), *rows.words(), *more), as_json=as_json)


def _is_finished(out: Path | None, count: int, rows: Rows, *, as_json: bool) -> bool:
    """Whether there is nothing to go on with because all is there; says so then."""
    from anysize.results.partial import is_finished

    if out is None or not is_finished(out, count, lambda: rows.id_of(0)):
        return False
    say(f"{out} is finished: nothing is left to do; without --resume it is made anew")
    if as_json:
        document({"results": count, "out": str(out), "finished": True})
    return True


def _end(tally: predicting.Tally, out: Path | None, lines: Iterable[str], *, as_json: bool) -> None:
    """What is said in the end; the exit code where nothing was predicted."""
    for line in lines:
        say(line)
    if as_json and out is not None:
        document({**tally.summary(), "out": str(out), "findings": tally.findings.to_json()})
    if not tally.results:
        raise typer.Exit(2)
