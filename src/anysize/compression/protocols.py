"""What a method of compression must do, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from anysize.core.errors import ConfigurationError
from anysize.core.records import Source

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What methods may use beside the bundle.

    Attributes:
        task: of the bundle.
        original: the bundle that the chain of methods started from; a teacher.
        memory: budget in bytes.
        seed: of everything random.
        say: reports progress to the user, a line at a time.
        note: takes what the report is to say of what comes out, a sentence at a time.
        data: path of the data, a pattern or several, for training; None where none was given.
        columns: column of a table for each role.
        encoding: of text files.
        training: the records to calibrate on, never those that are judged by; None without data.
        work: scratch folder that all that is tried on one bundle shares; None keeps nothing.
    """

    task: Task
    original: Path
    memory: int
    seed: int = 0
    say: Callable[[str], None] = field(default=lambda _line: None)
    note: Callable[[str], None] = field(default=lambda _line: None)
    data: str | tuple[str, ...] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    training: Source | None = None
    work: Path | None = None

    def calibration(self, method: str) -> Source:
        """The records to calibrate on.

        Raises:
            ConfigurationError: there is no data.
        """
        if self.training is None:
            raise ConfigurationError(f"method {method!r} needs data: give --data")
        return self.training


class Method(Protocol):
    """One way to make a bundle smaller or faster; made by ``make(key)`` of a plug-in module.

    Attributes:
        key: its name.
        needs_data: whether it calibrates or trains.
        compiles: whether it leaves a compiled form without weights, that nothing can follow.
        options: frozen dataclass of its parameters, all with defaults; numbers, texts, booleans.
    """

    key: str
    needs_data: bool
    compiles: bool
    options: type[Any]

    def problems(self, network: Network, card: Card) -> list[str]:
        """Why it cannot be applied to a bundle, one sentence each; empty where it can."""
        ...

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        """Writes the compressed bundle.

        Args:
            source: a bundle; it stays as it is.
            out: where the new bundle goes; does not exist yet.
            options: an instance of ``self.options``.
            context: data, budget, seed.

        Raises:
            ConfigurationError: an option or the bundle does not fit.
            MissingExtraError: a library is not installed.
        """
        ...
