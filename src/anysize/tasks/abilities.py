"""What a task may do besides ``tasks.protocols.Task``, each a method or two that it has or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeAlias, runtime_checkable

from anysize.core.errors import ConfigurationError
from anysize.core.findings import Findings
from anysize.core.records import Record, Source
from anysize.core.results import Result

if TYPE_CHECKING:
    from anysize.models.network import Network


@runtime_checkable
class Surveying(Protocol):
    """A task that looks through data for what is odd about them, before work starts."""

    def survey(self, source: Source, findings: Findings) -> None:
        """Reads all records; those that cannot be read are left to those who read them later."""
        ...


def survey(task: object, source: Source, findings: Findings) -> None:
    """What the task finds odd about data, where it looks at all."""
    if isinstance(task, Surveying):
        task.survey(source, findings)


@runtime_checkable
class Selective(Protocol):
    """A task for which some options of all tasks mean less, or nothing.

    Attributes:
        takes: of an option, by its name, the words that it may be; none where it does nothing.
    """

    @property
    def takes(self) -> Mapping[str, Sequence[str]]: ...


ONE_WAY: Mapping[str, Sequence[str]] = {"merge": ()}
"""What a task takes whose windows become one result in one way alone."""

NO_CLASSES: Mapping[str, Sequence[str]] = {"labels": (), "label_smoothing": ()}
"""What a task takes that learns no classes."""


@runtime_checkable
class Measuring(Protocol):
    """A task that looks through training data for what a network cannot read as they are."""

    def measure(self, network: Network, source: Source, findings: Findings) -> None:
        """Reads all records; those that cannot be read are left to those who read them later.

        Args:
            network: that is to be trained.
            source: the training data.
            findings: takes what is found.
        """
        ...


def measure(task: object, network: Network, source: Source, findings: Findings) -> None:
    """What the task finds a network cannot read, where it looks at all."""
    if isinstance(task, Measuring):
        task.measure(network, source, findings)


@runtime_checkable
class Naming(Protocol):
    """A task whose records are counted by something shorter than their targets."""

    def label_of(self, record: Record) -> str | tuple[str, ...] | None:
        """What a record counts as, several where it counts by each; None where it has no target.

        Raises:
            DataError: its target is not understood.
        """
        ...


@runtime_checkable
class Recognising(Protocol):
    """A task that knows its data by their columns, where no task is named.

    Its module says so at top level (``RECOGNISES = True``), so that others need not be imported.
    """

    def recognises(self, roles: Mapping[str, str]) -> bool:
        """Whether data are its own.

        Args:
            roles: role to column, of a table that was opened for it.
        """
        ...


@runtime_checkable
class Attributed(Protocol):
    """A task whose results have lines with times (``segments``), and may say who speaks in them.

    Attributes:
        voices: spec of the model for speakers; None where nobody asks.
        known: folder of a gallery of people who have names; None where they are numbered.
    """

    @property
    def voices(self) -> str | None: ...

    @property
    def known(self) -> str | None: ...


RECOGNISER = "recogniser"
"""The option of `Audible` tasks that names what hears them."""


@runtime_checkable
class Audible(Protocol):
    """A task whose results are speech, which another model can hear.

    Attributes:
        listener: spec of that model; None leaves the choice to the voice's language.
    """

    @property
    def listener(self) -> str | None: ...


RowsWriter: TypeAlias = Callable[[Path, BinaryIO], None]
"""Writes results, JSON Lines in a file, in another format."""


class LiveWriter(Protocol):
    """Writes rows in another format as they come: results, and settled parts of them."""

    def add(self, row: Mapping[str, Any]) -> str:
        """What is written for a row; nothing where it waits for the next one."""
        ...

    def rest(self) -> str:
        """What is written in the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How results are written in a format: from their rows, or, where these lack it, themselves.

    Attributes:
        rows: writes rows; None where they do not hold what is written, such as samples.
        result: writes a result to a path, whole or not at all, and gives what its row says of it
            (``{"audio": "book.wav"}``); None where it is written from its row.
        several: whether a file may hold the results of several records.
        live: makes what writes rows as they come, of input without an end; None where nothing can.
    """

    rows: RowsWriter | None = None
    result: Callable[[Result, Path], Mapping[str, Any]] | None = None
    several: bool = False
    live: Callable[[], LiveWriter] | None = None


@runtime_checkable
class Formatted(Protocol):
    """A task whose results may be written in formats of its own (``anysize predict … --out``).

    A folder gets a file for each record. Where rows do not hold what is written, the task's module
    names the suffixes at top level too (``FILES``), so that others need not be imported.

    Attributes:
        formats: by the suffix of the file, with its point.
    """

    @property
    def formats(self) -> Mapping[str, Format]: ...


def formats_of(task: object) -> Mapping[str, Format]:
    """The formats of a task beside those of all; none where it has none."""
    return task.formats if isinstance(task, Formatted) else {}


def row_writers(task: object) -> dict[str, RowsWriter]:
    """What writes the rows of a task in formats of its own, by suffix."""
    found = formats_of(task).items()
    return {suffix: each.rows for suffix, each in found if each.rows is not None}


def check_number(task: object, suffix: str, records: int) -> None:
    """Refuses a format that is for one record where there are several.

    Raises:
        ConfigurationError: so it is.
    """
    found = formats_of(task).get(suffix.lower())
    if found is not None and not found.several and records > 1:
        raise ConfigurationError(
            f"--out with the suffix {suffix} is for one record, and the input has {records}: "
            f"give a folder (--out DIR --files {suffix.removeprefix('.')}), or write .jsonl"
        )
