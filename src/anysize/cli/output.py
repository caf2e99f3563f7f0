"""What commands print: documents on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core import progress
from anysize.core.errors import ConfigurationError
from anysize.core.files import is_same_file, is_special
from anysize.core.progress import worth_telling

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress
    from rich.table import Table

_UNBOUNDED = 10_000


def say(line: str) -> None:
    """A line for the person at the terminal; work does not fail because nobody can read it."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def show(renderable: RenderableType) -> None:
    """A table or the like, on standard output."""
    from rich.console import Console

    Console(highlight=False).print(renderable)


def show_whole(table: Table) -> bool:
    """A table with nothing cut off, on standard output; False where the terminal is too narrow.

    A file or a pipe is as wide as the table.
    """
    from rich.console import Console

    console = Console(highlight=False)
    unbounded = console.options.update(width=_UNBOUNDED)
    width = console.measure(table, options=unbounded).maximum
    if width > console.width:
        if console.is_terminal:
            return False
        console.width = width
    console.print(table)
    return True


def out(line: str) -> None:
    """A line of what the command was asked for, on standard output."""
    sys.stdout.write(line + "\n")


def document(entries: Mapping[str, Any]) -> None:
    """The one JSON document of ``--json``."""
    out(json.dumps(entries, ensure_ascii=False, indent=2))


def check_out_file(path: Path | None) -> None:
    """Raises a ``ConfigurationError`` for an ``--out`` that no file can be written to."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigurationError(f"--out must be a file, but {path} is a folder")
    if not is_special(path):
        check_out_folder(Path(os.path.realpath(path)).parent)


def check_not_input(out: Path | None, inputs: Iterable[str | Path]) -> None:
    """Raises a ``ConfigurationError`` where an output would replace (a part of) an input.

    Args:
        out: a file that is going to be written; None is none.
        inputs: files and folders that are read.
    """
    if out is None or is_special(out) or not out.exists():
        return
    for each in map(Path, inputs):
        if is_same_file(out, each):
            raise ConfigurationError(
                f"--out {out} is an input itself, which an output never replaces; choose another "
                "name"
            )
        if each.is_dir() and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(each)):
            raise ConfigurationError(
                f"--out {out} is a file of the input folder {each}, which an output never "
                "replaces; choose another name, or delete it first"
            )


def check_out_folder(path: Path | None) -> None:
    """Raises a ``ConfigurationError`` for an ``--out`` that no files can be written into."""
    if path is None:
        return
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigurationError(f"--out needs the folder {path}, but {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--out needs to write into {place}, which is not allowed")


class PassHandler(logging.Handler):
    """Long passes over data: one line that is rewritten on a terminal, now and then one otherwise.

    See ``core.progress``.
    """

    _EVERY = 10.0

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: dict[str, float] = {}
        self._open = False

    def emit(self, record: logging.LogRecord) -> None:
        ended: bool = record.pass_ended  # type: ignore[attr-defined]
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{record.getMessage()}\x1b[K")
            sys.stderr.flush()
            self._open = True
            if ended:
                self.flush()
            return
        name: str = record.pass_name  # type: ignore[attr-defined]
        first = name not in self._said
        due = record.created - self._said.setdefault(name, record.created) >= self._EVERY
        if first or due or ended:
            self._said[name] = record.created
            say(record.getMessage())
        if ended:
            del self._said[name]

    def flush(self) -> None:
        """Ends the line that is open, so that another can follow."""
        if self._open:
            self._open = False
            say("")


class WarningHandler(logging.Handler):
    """Warnings of all rooms: a paragraph each, as wide as the terminal, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(wrapped(f"{record.levelname.lower()}: {record.getMessage()}"))


def wrapped(words: str) -> str:
    """A paragraph whose lines fit the terminal, those below the first indented."""
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.fill(words, width, subsequent_indent="  ", break_on_hyphens=False)


def show_warnings() -> None:
    """From here on, warnings are shown on standard error."""
    logger = logging.getLogger("anysize")
    # Of its own: libraries raise the root's level, OpenVINO's converter for one.
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.handlers[:] = [WarningHandler(logging.WARNING)]


def show_passes() -> PassHandler:
    """From here on, how far long passes over data are is shown on standard error."""
    logger = logging.getLogger(progress.NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = PassHandler()
    logger.handlers[:] = [handler]
    return handler


class ProgressLine:
    """Progress with rate and time left: a bar on a terminal, a plain line now and then otherwise.

    Args:
        what: what is counted (``records``).
        total: how many there are.
    """

    _EVERY = 10.0

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._windows = 0
        self._start = time.monotonic()
        self._said = self._start
        self._bar: Progress | None = None

    def __enter__(self) -> ProgressLine:
        if sys.stderr.isatty():
            self._bar = self._make_bar()
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def record(self) -> None:
        """One record is done."""
        self._done += 1
        self._show()

    def windows(self, count: int) -> None:
        """So many windows went through the model."""
        self._windows += count
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        seconds = max(now - self._start, 1e-9)
        rate = f"{self._windows / seconds:.1f} windows/s"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, rate=rate)
        elif now - self._said > self._EVERY:
            self._said = now
            sure = self._done and worth_telling(self._done / self._total, seconds)
            left = (self._total - self._done) * seconds / self._done if sure else None
            rest = f", {left:.0f} s left" if left is not None else ""
            say(f"{self._done}/{self._total} {self._what}, {rate}{rest}")

    def _make_bar(self) -> Progress:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        bar = Progress(
            TextColumn(self._what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        bar.add_task(self._what, total=self._total, rate="")
        return bar
