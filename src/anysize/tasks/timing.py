"""What is timed of a model that does something else in prediction than what it is measured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from anysize.core.examples import Example
from anysize.core.steps import Step
from anysize.models.network import Network
from anysize.tasks.protocols import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Work that is timed.

    Attributes:
        step: what is done with a batch.
        example: from a window that the model is measured on to what the step is given.
        described: what one piece of the work is, for a report.
        most: pieces of a round.
    """

    step: Step
    example: Callable[[Example], Example]
    described: str
    most: int = 32


@runtime_checkable
class Timed(Protocol):
    """A task that says what of its prediction is timed, where that is not all of its windows."""

    def timing(self, network: Network) -> Timing:
        """Work of about the same size for every model of the task."""
        ...


def timing_of(task: Task, network: Network) -> Timing | None:
    """What is timed of a network; None where prediction does what the task is measured by."""
    return task.timing(network) if isinstance(task, Timed) else None
