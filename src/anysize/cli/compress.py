"""``anysize compress``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anysize.cli import options
from anysize.cli.output import check_out_folder, document, say, show_whole
from anysize.cli.output import out as print_line

if TYPE_CHECKING:
    from rich.table import Table

    from anysize.compression.verdict import Judgement


def command(
    bundle: Annotated[str, typer.Argument(help="A bundle, a Hugging Face folder or a hub id.")],
    out: Annotated[Path, typer.Option(help="Folder for the compressed bundle and its report.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method or a chain of them, such as 'prune-structured(flops=0.5), int8'; "
            "several are tried one by one. Default: those that need no training."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Labelled data, to calibrate, to train and to judge on: a table, a folder or a "
            "pattern such as 'data/*.csv'; may be given several times."
        ),
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            help="What the metric may lose: 0.01 is one point of accuracy or of BLEU; an error or "
            "perplexity may rise by 1 %."
        ),
    ] = 0.01,
    records: Annotated[
        int, typer.Option(help="How many records decide, at most; 0 is all of them.")
    ] = 0,
    recogniser: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Of a voice: the model for automatic-speech-recognition that hears what is "
            "spoken. Default: whisper-tiny.en for voices of English.",
        ),
    ] = None,
    memory: options.Memory = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    task: options.Task = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Make a model smaller and faster, and ship it only where that is proved.

    Exit code 1, with the table, where nothing is smaller, not slower and not worse than allowed.
    """
    from anysize import api
    from anysize.sources.inputs import check_paths

    check_paths(data or [])
    check_out_folder(out)
    judgement = api.compress_report(
        bundle, out, data=data or None, methods=tuple(method or ()), max_drop=max_drop,
        records=records, recogniser=recogniser, memory=memory,
        columns=options.pairs(columns, "--columns"), encoding=encoding, task=task, seed=seed,
        say=say,
    )  # fmt: skip
    if as_json:
        document(judgement.to_json())
    else:
        show(judgement)
    _conclude(judgement, out)


def _conclude(judgement: Judgement, out: Path) -> None:
    from anysize.compression.report import PAGE, notes, reasons

    for line in (*notes(judgement), *reasons(judgement)):
        say(line)
    say(f"wrote {out / PAGE}")
    if judgement.chosen is None:
        say("nothing is shipped: no candidate is smaller, not slower and not worse than allowed")
        raise typer.Exit(1)
    say(f"bundle: {out} ({judgement.chosen.chain})")


def show(judgement: Judgement) -> None:
    """The table, or a list where the terminal is too narrow for it: cut words say nothing."""
    from anysize.compression.report import COLUMNS, rows

    if show_whole(_table(judgement)):
        return
    for name, *cells in rows(judgement):
        print_line(name)
        for column, cell in zip(COLUMNS[1:], cells, strict=True):
            if cell:
                print_line(f"    {column:<18} {cell}")


def _table(judgement: Judgement) -> Table:
    from rich.table import Table

    from anysize.compression.report import COLUMNS, rows

    table = Table(title=f"{judgement.task} on {judgement.data or 'made-up windows'}")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("method", "verdict") else "right")
    for row in rows(judgement):
        table.add_row(*row)
    return table
