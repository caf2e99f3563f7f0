"""What the evaluation of a task must offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result

if TYPE_CHECKING:
    from anysize.models.bundle import Card


class Measured(Protocol):
    """How a model did on labelled data. ``rendering.render`` knows how to print it."""

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by the names of the contract (``accuracy``, …)."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        ...


class Evaluator(Protocol):
    """A module of ``anysize.evaluation`` whose ``PROVIDES`` names the tasks that it measures."""

    def measure(
        self, results: Iterable[Result | ErrorResult], *, card: Card, source: Source
    ) -> Measured:
        """Scores a stream of results against the targets of their records.

        Args:
            results: one a record, in the order of ``source``.
            card: of the bundle.
            source: of the records.

        Raises:
            DataError: there is nothing to score.
        """
        ...

    def write_report(
        self, evaluation: Any, folder: Path, *, card: Mapping[str, Any], source: Source
    ) -> None:
        """Writes ``metrics.json`` and a self-contained ``report.html``."""
        ...
