"""``anysize predict BUNDLE -`` on what has no end: a microphone, a pipe of samples."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from anysize.cli.ending import Reported, ending
from anysize.cli.output import say
from anysize.core.errors import ConfigurationError
from anysize.core.files import is_special
from anysize.core.plurals import number_of

if TYPE_CHECKING:
    from anysize.api import Model, PredictOptions
    from anysize.cli.predicting import Tally
    from anysize.core.results import Result
    from anysize.results.sinks import Sink
    from anysize.sources.pipe import Pipe

NAME = "stdin"
LINES = "jsonl"
_HEAD = 512
"""Bytes by which samples are told from lines: 16 milliseconds of sound."""


def begun(inputs: Sequence[str]) -> Pipe | None:
    """Standard input, which is read from now on beside all else; None where it is not asked for.

    What is typed is not read ahead.
    """
    if "-" not in inputs or sys.stdin.isatty():
        return None
    from anysize.sources.pipe import Pipe

    with contextlib.suppress(OSError, ValueError):
        descriptor = sys.stdin.buffer.fileno()
        os.fstat(descriptor)
        return Pipe(descriptor)
    return None


def is_live(pipe: Pipe | None, model: Model, settings: PredictOptions) -> bool:
    """Whether standard input holds what a model takes live, and not lines.

    Args:
        pipe: standard input.
        model: that is asked.
        settings: what is asked; options of live input say that it is.
    """
    from anysize.core.options import declared
    from anysize.modalities import modality_of
    from anysize.sources.pipe import are_lines

    kind = modality_of(model.network.settings).live_options
    if pipe is None or kind is None:
        return False
    names = {one.name for one in declared(kind)}
    wished = any(settings.of_task.get(name) is not None for name in names)
    return wished or not are_lines(pipe.peek(_HEAD))


def check(inputs: Sequence[str], refused: Mapping[str, bool]) -> None:
    """Refuses what live input cannot be given with.

    Args:
        inputs: as they are given.
        refused: whether each of these options is given, by its flag.

    Raises:
        ConfigurationError: so it is; all at once.
    """
    problems = [
        f"{flag} needs records that can be read again, and live input cannot: leave it out"
        for flag, given in refused.items()
        if given
    ]
    if len(inputs) > 1:
        problems.append("live input (-) must be the only input: leave out the others")
    if problems:
        raise ConfigurationError(problems)


def refuse_format(shape: str | None) -> None:
    """Raises ConfigurationError for ``--format`` where input is not live."""
    if shape is not None:
        raise ConfigurationError(
            "--format is for live input (samples on standard input, with -): give --out NAME.jsonl "
            "or another suffix"
        )


def sink_for(model: Model, out: Path | None, shape: str | None, tally: Tally, *, one: bool) -> Sink:
    """Where rows go as they come.

    Args:
        model: that makes them.
        out: a file or device; None is standard output.
        shape: what ``--format`` asks for.
        tally: has what one document says beside rows.
        one: whether they are one document (``--json``).

    Raises:
        ConfigurationError: the task has no such format, or it is asked for where it does nothing.
    """
    from anysize.results.sinks import Document, Lines, OneFile, Written
    from anysize.tasks.abilities import formats_of, row_writers

    found = formats_of(model.task).items()
    printers = {name.removeprefix("."): each.live for name, each in found if each.live is not None}
    if shape not in (None, LINES, *printers):
        known = ", ".join([LINES, *printers])
        raise ConfigurationError(f"--format must be one of {known}, not {shape!r}")
    if shape is not None and (out is not None or one):
        other = "--json" if out is None else f"--out {out}"
        raise ConfigurationError(f"--format is for standard output: leave out --format or {other}")
    if out is None:
        if one:
            return Document(sys.stdout, tally.facts, ending, Reported)
        if shape in (None, LINES):
            return Lines.to_stream(sys.stdout)
        writer = printers[str(shape)]()
        return Written(sys.stdout, writer.add, writer.rest)
    if is_special(out):
        return Lines.to_special(out)
    return OneFile(out, {}, resume=False, say=say, formats=row_writers(model.task), again=False)


def run(model: Model, pipe: Pipe, settings: PredictOptions, sink: Sink, tally: Tally) -> None:
    """Predicts on standard input until it ends, or Ctrl-C ends it; what was read is finished."""
    from anysize.core.results import Result, SettledResult

    with ended_by_signals(pipe):
        say("standard input is read as live sound (--pcm-rate, --pcm-format); Ctrl-C ends it")
        for item in model.live(pipe, settings, name=NAME):
            row = item.to_json()
            sink.write(row)
            if isinstance(item, SettledResult):
                continue
            tally.add(row)
            if isinstance(item, Result):
                for line in _said(item, by_signal=pipe.stopped):
                    say(line)


def _said(result: Result, *, by_signal: bool) -> Iterator[str]:
    """The receipt, for people."""
    receipt = result.receipt
    counts = receipt.counts or {}
    layout = [f"{counts['sample_rate']:,} samples a second"] if "sample_rate" in counts else []
    if "channels" in counts:
        layout.append(number_of(counts["channels"], "channel", "channels"))
    seconds = counts.get("milliseconds", 0) / 1000
    end = "ended by a signal" if by_signal else "it came to its end"
    windows = number_of(receipt.windows, "window", "windows")
    yield f"{seconds:.2f} seconds were read ({', '.join(layout)}) in {windows}; {end}"
    yield from (f"  {note}" for note in receipt.notes)


@contextlib.contextmanager
def ended_by_signals(pipe: Pipe) -> Iterator[None]:
    """Within it the first Ctrl-C or SIGTERM ends the input, and a second one the command."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(number: int, frame: FrameType | None) -> Any:
        if pipe.stopped:
            before = handlers[number]
            if callable(before):
                return before(number, frame)
            raise KeyboardInterrupt
        pipe.stop()
        return None

    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {int(number): signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if handlers[int(number)] is not signal.SIG_IGN:
                signal.signal(number, ended)
        yield
    finally:
        for number in numbers:
            signal.signal(number, handlers[int(number)])
