"""Where rows go: a file that appears when it is whole, a stream, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TextIO

from anysize.core.errors import ConfigurationError, UsageError
from anysize.core.files import disk_errors, is_special
from anysize.core.locks import only_writer_of
from anysize.core.plurals import number_of
from anysize.results.partial import Partial, line_of, place_of
from anysize.results.tables import check_suffix, write_table

if TYPE_CHECKING:
    from anysize.tasks.abilities import RowsWriter

NO_FORMATS: Mapping[str, RowsWriter] = MappingProxyType({})


class Sink(Protocol):
    """Takes rows in order; a context that is left well has them where they belong.

    Attributes:
        done: rows that are there from an earlier try.
        errors: how many of those are errors.
    """

    done: int
    errors: int

    def write(self, row: Mapping[str, Any]) -> None: ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None: ...


def check_out(
    out: Path | None,
    *,
    resume: bool,
    formats: Mapping[str, RowsWriter] | None = NO_FORMATS,
    others: Iterable[str] = (),
) -> None:
    """Raises a ``ConfigurationError`` for a place that results cannot go to as it is asked for.

    Args:
        out: the file; None is standard output.
        resume: whether to go on with what is there.
        formats: of the task, by suffix; None where the task is not known yet.
        others: suffixes of the files of its own that hold no rows.
    """
    special = out is not None and is_special(out)
    if out is not None and not special and formats is not None:
        check_suffix(out, formats, others)
    if resume and (out is None or special):
        raise ConfigurationError("--resume needs --out with the name of a file")


class Lines:
    """A line for each row, as they come, into a stream, a device or a named pipe.

    Args:
        write: takes bytes and passes them on at once.
        close: called in the end.
    """

    done = 0
    errors = 0

    def __init__(self, write: Callable[[bytes], object], close: Callable[[], object]) -> None:
        self._write, self._close = write, close

    @classmethod
    def to_stream(cls, stream: TextIO) -> Lines:
        """Lines on standard output."""

        def write(line: bytes) -> None:
            stream.write(line.decode("utf-8"))
            stream.flush()

        return cls(write, lambda: None)

    @classmethod
    def to_special(cls, path: Path) -> Lines:
        """Lines into what is no file."""
        file: BinaryIO = path.open("wb", buffering=0)

        def write(line: bytes) -> None:
            with disk_errors(path):
                file.write(line)

        return cls(write, file.close)

    def write(self, row: Mapping[str, Any]) -> None:
        self._write(line_of(row))

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_ended: object) -> None:
        self._close()


class Written:
    """Rows in a format of a task on standard output, as they come; see ``tasks.abilities.Printed``.

    A row that is an error has none; it is named in the end.

    Args:
        stream: standard output.
        add: what is written for a row.
        rest: what is written in the end.
    """

    done = 0
    errors = 0

    def __init__(
        self, stream: TextIO, add: Callable[[Mapping[str, Any]], str], rest: Callable[[], str]
    ) -> None:
        self._stream, self._add, self._rest = stream, add, rest

    def write(self, row: Mapping[str, Any]) -> None:
        if "error" not in row:
            self._put(self._add(row))

    def __enter__(self) -> Written:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_ended: object) -> None:
        if kind is None:
            self._put(self._rest())

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Document:
    """One JSON document of all rows, which is valid however the work ends.

    Args:
        stream: standard output.
        facts: what is written beside the rows; asked for at the end.
        ending: the sentence and the exit code of an error.
        reported: what is raised instead of an error that the document holds.
    """

    done = 0
    errors = 0

    def __init__(
        self,
        stream: TextIO,
        facts: Callable[[], Mapping[str, Any]],
        ending: Callable[[BaseException], tuple[str, int] | None],
        reported: Callable[[str, int], Exception],
    ) -> None:
        self._stream, self._facts = stream, facts
        self._ending, self._reported = ending, reported
        self._between = '{"results": ['

    def write(self, row: Mapping[str, Any]) -> None:
        self._stream.write(self._between + json.dumps(row, ensure_ascii=False))
        self._between = ",\n"

    def __enter__(self) -> Document:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        found = None if error is None else self._ending(error)
        if isinstance(error, BrokenPipeError) or (error is not None and found is None):
            return
        first = "" if self._between == ",\n" else self._between
        entries: dict[str, Any] = {**self._facts()}
        if found is not None:
            entries |= {"error": found[0], "exit_code": found[1]}
        self._stream.write(f"{first}], {json.dumps(entries, ensure_ascii=False)[1:]}\n")
        self._stream.flush()
        if found is not None:
            raise self._reported(*found) from error


class OneFile:
    """A file that appears under its name when it is whole; until then one can go on with it.

    Args:
        out: the file; its suffix says the format.
        work: what the rows are results of; see ``Partial``.
        resume: go on with what is there.
        say: hears what is kept when the work is cut off.
        formats: of the task, by suffix.
        again: whether the input can be read again, to go on with what is kept.

    Raises:
        ConfigurationError: another process makes the same file, or there is nothing to go on with.
    """

    def __init__(
        self,
        out: Path,
        work: Mapping[str, Any],
        *,
        resume: bool,
        say: Callable[[str], None],
        formats: Mapping[str, RowsWriter] = NO_FORMATS,
        again: bool = True,
    ) -> None:
        self._formats, self._again = formats, again
        self._lock = only_writer_of(out)
        self._say = say
        self._lock.__enter__()
        try:
            if again and not resume and place_of(out).is_dir():
                say(f"{place_of(out)} is begun anew; --resume would have gone on with it")
            self._partial = Partial(out, work, resume=resume)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self.done, self.errors = self._partial.lines, self._partial.errors

    def write(self, row: Mapping[str, Any]) -> None:
        self._partial.write(row)

    def __enter__(self) -> OneFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        try:
            self._end(error)
        finally:
            self._lock.__exit__(None, None, None)

    def _end(self, error: BaseException | None) -> None:
        partial = self._partial
        try:
            partial.close()
            if error is None:
                write_table(partial.path, partial.out, self._formats)
                partial.remove()
                return
        except OSError:
            if error is None:
                self._keep()
                raise
        # What the user must put right is other work then.
        if not partial.lines or (isinstance(error, UsageError) and not partial.resumed):
            partial.remove()
        else:
            self._keep()

    def _keep(self) -> None:
        partial = self._partial
        remedy = ": go on with --resume" if self._again else ""
        kept = number_of(partial.lines, "result is", "results are")
        self._say(f"{kept} kept in {partial.folder}{remedy}")
