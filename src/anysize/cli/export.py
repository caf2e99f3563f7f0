"""``anysize export``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from anysize.cli import options
from anysize.cli.output import check_not_input, check_out_folder, document, say


def command(
    bundle: Annotated[str, typer.Argument(help="A bundle, a Hugging Face folder or a hub id.")],
    out: Annotated[
        Path, typer.Option(help="Folder, or the file itself where its suffix is the format's.")
    ],
    file_format: Annotated[
        str,
        typer.Option("--format", help="onnx, openvino, huggingface, …: see anysize list formats."),
    ] = "onnx",
    opset: Annotated[int | None, typer.Option(help="Of ONNX; default 18.")] = None,
    task: options.Task = None,
    labels: options.Labels = None,
    pixels: options.Pixels = None,
    as_json: options.Json = False,
) -> None:
    """Write a model for other programs: ONNX, OpenVINO, a plain Hugging Face folder."""
    from anysize import api
    from anysize.core import plugins

    exporter = plugins.load("export", file_format)  # an unknown format is refused before loading
    if out.is_file():
        check_not_input(out, [bundle])
    check_out_folder(out if out.is_dir() else out.absolute().parent)
    settings = {} if opset is None else {"opset": str(opset)}
    model = api.load(bundle, task, labels=options.labels(labels), pixels=pixels)
    path = model.export(out, file_format, **settings)
    read: Callable[[Path], dict[str, str]] = getattr(exporter, "facts", lambda _path: {})
    facts = read(path)
    if as_json:
        document({"format": file_format, "path": str(path), **facts})
    for name, value in facts.items():
        say(f"{name.replace('_', ' ')}: {value}")
    say(f"wrote {path}")
