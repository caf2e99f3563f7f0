"""What commands print: documents on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError
from anysize.core.files import is_same_file, is_special, refuses_files
from anysize.core.progress_display import say as say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_UNBOUNDED = 10_000


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


def check_not_inside(out: Path, inputs: Iterable[str | Path]) -> None:
    """Raises a ``ConfigurationError`` for an output folder that is an input folder, or in one."""
    for each in map(Path, inputs):
        if each.is_dir() and Path(os.path.realpath(out)).is_relative_to(os.path.realpath(each)):
            raise ConfigurationError(
                f"--out {out} is in the input folder {each}, whose files would include what is "
                "written from then on; choose a folder elsewhere"
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
        raise ConfigurationError(
            f"--out needs to write into {place}, which is not allowed: choose another folder, or "
            "have its owner allow it"
        )
    refusal = refuses_files(place)
    if refusal is not None:
        raise ConfigurationError(
            f"--out needs to write into {place}, where no file can be made ({refusal}): choose "
            "another folder"
        )


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
