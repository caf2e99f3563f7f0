"""Results as files of a task's own formats: recordings, subtitles; one for each record.

``--out book.wav`` is the file of the one record, and the rows go to standard output. ``--out DIR``
is a folder with a file for each record, and ``results.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.files import is_special, replacing, scratch
from anysize.core.results import Result
from anysize.results.file_names import FileNames
from anysize.results.partial import line_of
from anysize.results.tables import check_suffix, is_table
from anysize.tasks.abilities import Format, formats_of, row_writers

ROWS = "results.jsonl"
"""What the rows are called in a folder."""


@cache
def known() -> tuple[str, ...]:
    """The suffixes of what some task writes and rows do not hold."""
    found: dict[str, None] = {}
    for task in plugins.declaring("tasks", "FILES"):
        found |= dict.fromkeys(getattr(plugins.load("tasks", task), "FILES", ()))
    return tuple(found)


def may_be_own(out: Path | None) -> bool:
    """Whether a place for results may be a file of a task's own, or a folder of such files."""
    if out is None or is_special(out) or (is_table(out) and not out.is_dir()):
        return False
    return out.is_dir() or not out.suffix or out.suffix.lower() in known()


def own_files(out: Path, task: Any, suffix: str | None, count: int | None) -> Results:
    """What writes a file for each result.

    Args:
        out: a file, or a folder.
        task: whose results they are.
        suffix: of the files in a folder; None takes the first that rows are no substitute for.
        count: how many records there are; None where nobody knows.

    Raises:
        ConfigurationError: the task has no files of its own, or not such; or one file is named for
            several records.
    """
    formats = formats_of(task)
    folder = out.is_dir() or not out.suffix
    if not folder:
        wanted = out.suffix.lower()
        if wanted not in formats:
            check_suffix(out, row_writers(task), formats)
        if suffix is not None:
            raise ConfigurationError(
                "--files is for a folder (--out DIR): the name of a file says it"
            )
        if count != 1:
            many = "an unknown number of" if count is None else f"{count:,}"
            raise ConfigurationError(
                f"--out {out} is one file, and there are {many} records: give a folder (--out DIR)"
            )
    else:
        wanted = _wished(out, task, suffix)
    return Results(out, formats[wanted], wanted, folder=folder)


def _wished(out: Path, task: Any, suffix: str | None) -> str:
    """The suffix of the files in a folder."""
    formats = formats_of(task)
    names = ", ".join(each.removeprefix(".") for each in formats)
    if suffix is not None:
        found = f".{suffix.lower().removeprefix('.')}"
        if found not in formats:
            raise ConfigurationError(
                f"--files must be one of {names}, not {suffix!r}"
                if formats
                else f"--files must be left out: {task.name} has no formats of its own"
            )
        return found
    for each, how in formats.items():
        if how.result is not None:
            return each
    if not out.is_dir():
        check_suffix(out, row_writers(task), formats)
    more = f", or say with --files what is written into it ({names})" if formats else ""
    raise ConfigurationError(f"--out must be a file, but {out} is a folder{more}")


class Results:
    """Writes a file for each result.

    Args:
        out: the file, or the folder.
        how: writes one.
        suffix: of the files.
        folder: whether ``out`` is a folder.

    Attributes:
        rows: where the rows go; None is standard output.
        written: how many files there are.
    """

    def __init__(self, out: Path, how: Format, suffix: str, *, folder: bool) -> None:
        self._out, self._how, self._folder = out, how, folder
        self._names = FileNames(suffix, "result")
        self.rows = out / ROWS if folder else None
        self.written = 0

    def add(self, row: Mapping[str, Any], result: Result) -> Mapping[str, Any]:
        """Writes a result's file; what its row has besides.

        Args:
            row: of the result.
            result: what was predicted.

        Raises:
            OSError: the file cannot be written.
        """
        place = self._out / self._names.of(row["id"]) if self._folder else self._out
        self.written += 1
        if self._how.result is not None:
            return self._how.result(result, place)
        assert self._how.rows is not None
        with scratch(None, "row") as folder:
            rows = folder / ROWS
            rows.write_bytes(line_of(row))
            with replacing(place) as file:
                self._how.rows(rows, file)
        return {"file": str(place)}

    def words(self) -> Iterator[str]:
        """What was written, a sentence."""
        where = f"in {self._out}" if self._folder else f"as {self._out}"
        yield f"{self.written:,} {'file' if self.written == 1 else 'files'} written {where}"
