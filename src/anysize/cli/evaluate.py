"""``anysize evaluate``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import check_not_input, check_out_folder, document, say, show
from anysize.cli.predict import prediction_options


def command(
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
    memory: options.Memory = None,
    merge: options.Merge = None,
    window: options.Window = None,
    overlap: options.Overlap = None,
    tiles: options.Tiles = None,
    tile: options.Tile = None,
    crop: options.Crop = None,
    pages: options.Pages = None,
    tolerant: options.Tolerant = False,
    threshold: options.Score = None,
    nms_iou: options.NmsIou = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    task: options.Task = None,
    labels: options.Labels = None,
    pixels: options.Pixels = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled data: metrics.json and a self-contained report.html."""
    from anysize import api
    from anysize.sources.inputs import check_paths, check_split
    from anysize.sources.opening import all_matching

    settings = prediction_options(
        memory=memory, merge=merge, window=window, overlap=overlap, tiles=tiles, tile=tile,
        crop=crop, runtime=runtime, precision=precision, threads=threads, columns=columns,
        encoding=encoding, strict=strict,
    )  # fmt: skip
    settings = dataclasses.replace(
        settings, pages=pages, tolerant=tolerant, threshold=threshold, nms_iou=nms_iou
    )
    check_paths(data)
    split = check_split(data, split)
    check_out_folder(out)
    for name in ("metrics.json", "report.html"):
        check_not_input(None if out is None else out / name, all_matching(data))
    model = api.load(
        bundle, task, memory=settings.budget, labels=options.labels(labels), pixels=pixels
    )
    evaluation = model.evaluate(data, out, settings, split=split)
    if as_json:
        document(evaluation.to_json())
    else:
        from anysize.evaluation.rendering import render

        show(render(evaluation))
    if out is not None:
        say(f"wrote {out / 'metrics.json'} and {out / 'report.html'}")
