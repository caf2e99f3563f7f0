"""What a task may do besides ``tasks.protocols.Task``, each a method or two that it has or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from anysize.core.findings import Findings
from anysize.core.records import Record, Source

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

    def label_of(self, record: Record) -> str | None:
        """What a record counts as; None where it has no target.

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
