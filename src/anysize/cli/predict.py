"""``anysize predict``."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from anysize.cli import options
from anysize.cli.output import Meter, check_out_file, document, say
from anysize.core.findings import Findings
from anysize.core.results import ErrorResult, Result

if TYPE_CHECKING:
    from anysize.api import PredictOptions

Inputs = Annotated[
    list[str], typer.Argument(help="Files, folders, tables; '-' reads a record a line.")
]
Out = Annotated[Path | None, typer.Option(help="File for the results (JSON Lines).")]


def command(
    bundle: Annotated[str, typer.Argument(help="A bundle, a Hugging Face folder or a hub id.")],
    inputs: Inputs,
    out: Out = None,
    memory: options.Memory = None,
    merge: options.Merge = None,
    window: options.Window = None,
    overlap: options.Overlap = None,
    tiles: options.Tiles = None,
    tile: options.Tile = None,
    crop: options.Crop = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    columns: options.Columns = None,
    encoding: options.Encoding = "utf-8",
    task: options.Task = None,
    gallery: options.Gallery = None,
    threshold: options.Threshold = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Predict on inputs of any size; one JSON object a line, each with a receipt."""
    from anysize import api
    from anysize.sources.inputs import check_paths, standard_input

    settings = prediction_options(
        memory=memory, merge=merge, window=window, overlap=overlap, tiles=tiles, tile=tile,
        crop=crop, runtime=runtime, precision=precision, threads=threads, columns=columns,
        encoding=encoding, strict=strict,
    )  # fmt: skip
    settings = dataclasses.replace(settings, gallery=gallery, threshold=threshold)
    check_paths(inputs)
    check_out_file(out)
    model = api.load(bundle, task, memory=settings.budget)
    with ExitStack() as stack:
        paths: list[Path] = []
        for item in inputs:
            if item == "-":
                spooled = standard_input(sys.stdin.buffer, model.task.role, encoding)
                paths.append(stack.enter_context(spooled))
            else:
                paths.append(Path(item))
        findings = Findings()
        source = model.open(paths, settings, findings)
        plan = model.plan(source, settings)
        for line in plan.why:
            say(line)
        file = stack.enter_context(_destination(out))
        meter = stack.enter_context(Meter("records", len(source)))
        writer = _Writer(file, one_document=as_json and out is None)
        results = model.predict(source, settings, plan=plan, on_windows=meter.windows)
        for result in results:
            writer.write(result)
            meter.record()
        writer.finish()
    for line in writer.summary_lines():
        say(line)
    if as_json and out is not None:
        document(writer.summary() | {"out": str(out), "findings": findings.to_json()})


def prediction_options(
    *,
    memory: str | None,
    merge: str | None,
    window: int | None,
    overlap: int | None,
    tiles: str | None,
    tile: int | None,
    crop: float | None,
    runtime: str,
    precision: str,
    threads: int | None,
    columns: str | None,
    encoding: str,
    strict: bool,
) -> PredictOptions:
    """The options of ``predict`` and ``evaluate``, checked."""
    from anysize.api import PredictOptions

    return PredictOptions(
        memory=memory,
        merge=merge,
        window=window,
        overlap=overlap,
        tiles=tiles,
        tile=tile,
        crop=crop,
        runtime=runtime,
        precision=precision,
        threads=threads,
        strict=strict,
        columns=options.pairs(columns, "--columns"),
        encoding=encoding,
    )


class _Writer:
    """Results as they come: a line each, or one document of all."""

    _NAMED = 10

    def __init__(self, file: TextIO, *, one_document: bool) -> None:
        self._file = file
        self._one_document = one_document
        self._results = 0
        self._errors = 0
        self._start = time.monotonic()
        self._first_errors: list[ErrorResult] = []
        if one_document:
            file.write('{"results": [')

    def write(self, result: Result | ErrorResult) -> None:
        if self._one_document and self._results + self._errors:
            self._file.write(",\n")
        if isinstance(result, ErrorResult):
            self._errors += 1
            if len(self._first_errors) < self._NAMED:
                self._first_errors.append(result)
        else:
            self._results += 1
        self._file.write(json.dumps(result.to_json(), ensure_ascii=False))
        if not self._one_document:
            self._file.write("\n")
            self._file.flush()

    def finish(self) -> None:
        if self._one_document:
            summary = json.dumps(self.summary(), ensure_ascii=False)
            self._file.write(f'], "summary": {summary}}}\n')
        self._file.flush()

    def summary(self) -> dict[str, Any]:
        return {
            "predicted": self._results,
            "errors": self._errors,
            "seconds": round(time.monotonic() - self._start, 3),
        }

    def summary_lines(self) -> Iterator[str]:
        yield f"{self._results} predicted, {self._errors} could not be read"
        for error in self._first_errors:
            yield f"  {error.error}"
        if self._errors > len(self._first_errors):
            yield f"  … and {self._errors - len(self._first_errors)} more"


@contextmanager
def _destination(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears under its name only when it is whole."""
    if out is None:
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with beside.open("w", encoding="utf-8") as file:
            yield file
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
