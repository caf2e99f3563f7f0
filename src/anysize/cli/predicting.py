"""The work of ``anysize predict``: rows into a sink, pictures into a folder, counts for the end."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.cli.ending import Reported, ending
from anysize.cli.output import say
from anysize.core.errors import ConfigurationError
from anysize.core.files import is_same_file, is_special
from anysize.core.plurals import number_of
from anysize.core.progress import Pass, clock, worth_telling

if TYPE_CHECKING:
    from anysize.api import Model, PredictOptions
    from anysize.core.records import Source
    from anysize.results.best import Best
    from anysize.results.drawing import Drawing
    from anysize.results.own_files import Results
    from anysize.results.rows import Rows
    from anysize.results.sinks import Sink
    from anysize.sources.pipe import Pipe
    from anysize.tasks.abilities import RowsWriter
    from anysize.tasks.protocols import Task

# Options that change how fast and within what results are made, not what they are.
_FREE = frozenset({"memory", "loaders", "strict"})


class Tally:
    """What was predicted and what was not.

    Attributes:
        results, errors: how many.
        findings: about the inputs.
        best: what keeps the highest results alone, where only these are asked for.
    """

    def __init__(self) -> None:
        from anysize.core.findings import Findings
        from anysize.core.problems import Problems

        self.results = 0
        self.errors = 0
        self.best: Best | None = None
        self.findings = Findings()
        self._problems = Problems()
        self._start = time.monotonic()

    def begin(self, sink: Sink) -> None:
        """Counts what an earlier try has left."""
        self.results, self.errors = sink.done - sink.errors, sink.errors

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts one more, by its row."""
        error = row.get("error")
        if error is None:
            self.results += 1
            return
        self.errors += 1
        self._problems.add(str(row["id"]), str(error))

    def summary(self) -> dict[str, Any]:
        """For machines."""
        return {
            "predicted": self.results,
            "errors": self.errors,
            **({} if self.best is None else {"not_written": self.best.left_out}),
            "seconds": round(time.monotonic() - self._start, 3),
        }

    def facts(self) -> dict[str, Any]:
        """What the one document holds beside the results."""
        return {"summary": self.summary(), "findings": self.findings.to_json()}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.results} predicted, {self.errors} could not be read"
        for line in self._problems.lines():
            yield f"  {line}"
        if self.best is not None and self.best.left_out:
            yield f"{self.best.left_out:,} lower results are not written (--top)"


def run(
    model: Model,
    source: Source,
    settings: PredictOptions,
    rows: Rows,
    sink: Sink,
    tally: Tally,
    drawing: Drawing | None,
    files: Results | None = None,
    *,
    stream: bool = False,
) -> None:
    """Predicts what the sink does not hold yet; with ``stream`` partial results go there too."""
    from anysize.core.results import PartialResult, Result
    from anysize.sources.tail import Tail

    left = Tail(source, sink.done) if sink.done else source
    if sink.done:
        there = number_of(sink.done, "result is", "results are")
        say(f"{there} there already, {number_of(len(left), 'is', 'are')} left")
    if not len(left):
        return
    plan = model.plan(left, settings)
    for line in plan.why:
        say(line)
    rate = _Rate(len(left))
    ordinal = sink.done
    predicted = model.stream if stream else model.predict
    for result in predicted(left, settings, plan=plan, on_windows=rate.windows):
        if isinstance(result, PartialResult):
            sink.write(result.to_json())
            continue
        row = rows.row(ordinal, result)
        if files is not None and isinstance(result, Result):
            # The row comes last: what has one is not made again.
            row |= files.add(row, result)
        sink.write(row)
        tally.add(row)
        if drawing is not None and isinstance(result, Result):
            drawing.add(row["id"], source[ordinal], result)
        rate.record()
        ordinal += 1


class _Rate:
    """How fast predictions come, for those who wait.

    Args:
        total: how many records there are.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done, self._windows = total, 0, 0
        self._pass = Pass()

    def record(self) -> None:
        """One record is done."""
        self._done += 1
        self._report()

    def windows(self, count: int) -> None:
        """So many windows went through the model."""
        self._windows += count
        self._report()

    def _report(self) -> None:
        self._pass.report(self._done / self._total, self._sentence)

    def _sentence(self, seconds: float) -> str:
        of = number_of(self._total, "record")
        said = f"{self._done:,} of {of}, {self._windows / seconds:.1f} windows/s"
        if not self._done or not worth_telling(self._done / self._total, seconds):
            return said
        return f"{said}, {clock((self._total - self._done) * seconds / self._done)} left"


def sink_for(
    out: Path | None,
    work: Mapping[str, Any],
    tally: Tally,
    *,
    resume: bool,
    one: bool,
    formats: Mapping[str, RowsWriter],
) -> Sink:
    """Where the rows go: standard output (as one document or lines), a device, or a file."""
    from anysize.results.sinks import Document, Lines, OneFile

    if out is None:
        if one:
            return Document(sys.stdout, tally.facts, ending, Reported)
        return Lines.to_stream(sys.stdout)
    if is_special(out):
        return Lines.to_special(out)
    return OneFile(out, work, resume=resume, say=say, formats=formats)


def work_of(
    model: Model,
    source: Source,
    settings: PredictOptions,
    inputs: Sequence[str],
    keep: str | None,
) -> dict[str, Any]:
    """What results belong to: resuming checks that it is the same."""
    entries = dataclasses.asdict(settings)
    return {
        "inputs": [str(Path(each).absolute()) for each in inputs],
        "data": source.fingerprint(),
        "model": _identity(model),
        "options": {name: str(value) for name, value in entries.items() if name not in _FREE},
        "columns": keep or "",
    }


def _identity(model: Model) -> list[str]:
    """Which model it is: its files, with sizes and times."""
    if model.folder is None:
        return [str(model.network.spec)]
    from anysize.models.bundle import files_of

    found = [(path.name, path.stat()) for path in files_of(model.folder)]
    return [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in found]


def paths_of(
    stack: ExitStack,
    inputs: Sequence[str],
    model: Model,
    encoding: str,
    pipe: Pipe | None = None,
) -> tuple[list[Path], dict[Path, str]]:
    """The paths to read, standard input spooled to one; and what temporary ones are called.

    Args:
        stack: removes what is temporary.
        inputs: as they are given.
        model: that reads them.
        encoding: of lines.
        pipe: standard input, where it was begun to be read.
    """
    from anysize.modalities import modality_of
    from anysize.sources.inputs import standard_input

    paths: list[Path] = []
    renamed: dict[Path, str] = {}
    for item in inputs:
        if item != "-":
            if any(is_same_file(Path(item), other) for other in paths):
                say(f"{item} is given twice and read once")
            else:
                paths.append(Path(item))
            continue
        strings = modality_of(model.network.settings).strings
        stream = sys.stdin.buffer if pipe is None else pipe.lines()
        spooled = standard_input(stream, model.task.role, encoding, strings=strings)
        paths.append(stack.enter_context(spooled))
        renamed[paths[-1]] = "stdin.jsonl"
    return paths, renamed


def names_of(keep: str | None) -> tuple[str, ...]:
    """The columns that ``--keep`` names.

    Raises:
        ConfigurationError: it names none.
    """
    if keep is None:
        return ()
    names = tuple(part.strip() for part in keep.split(",") if part.strip())
    if not names:
        raise ConfigurationError("--keep must name columns with commas between, or be 'all'")
    return names


def drawing_for(folder: Path | None, model: Model) -> Drawing | None:
    """What draws results, where it is asked for.

    Raises:
        ConfigurationError: nothing draws what the model reads, or the folder is a file.
    """
    if folder is None:
        return None
    from anysize.core.lazy import named
    from anysize.modalities import modality_of

    place = modality_of(model.network.settings).drawn_by
    if not place:
        raise ConfigurationError(
            f"--draw is for pictures and recordings, and this model is for {model.task.name}"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"--draw must be a folder, but {folder} is a file")
    return cast("Drawing", named(place)(folder))


def own_words(files: Results | None, task: Task) -> Iterator[str]:
    """What was written as files, or that nothing was where rows do not hold the results."""
    from anysize.tasks.abilities import formats_of

    formats = formats_of(task)
    if files is not None:
        yield from files.words()
    elif formats and all(each.rows is None for each in formats.values()):
        first = next(iter(formats))
        yield (
            f"what was made is not written ({task.name}): give --out NAME{first}, or a folder for "
            "several records"
        )
