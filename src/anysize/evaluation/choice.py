"""Which module of this room measures a task: that of its head, the one it names, or its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from anysize.core import plugins
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.protocols import Evaluator, Measured
from anysize.tasks.protocols import Task, head_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


def evaluator_of(task: Task) -> Evaluator:
    """What measures a task.

    Raises:
        ConfigurationError: nothing does.
    """
    head = head_of(task)
    own = getattr(task, "evaluation", task.name)
    return cast(Evaluator, plugins.load("evaluation", own if head is None else head.evaluation))


def checked(evaluator: Evaluator, source: Source) -> None:
    """Lets a module with a function ``check`` refuse data before the model runs on them.

    Raises:
        DataError: there is nothing to compare with.
    """
    check = getattr(evaluator, "check", None)
    if check is not None:
        check(source)


def measured(
    evaluator: Evaluator,
    results: Iterable[Result | ErrorResult],
    *,
    card: Card,
    source: Source,
    network: Network,
    task: Task,
) -> Measured:
    """What an evaluator makes of results.

    A module with ``WITH_NETWORK = True`` is given the network and the task as well: its baselines
    are made of the network's own tokens.
    """
    more: dict[str, Any] = {}
    if getattr(evaluator, "WITH_NETWORK", False):
        more = {"network": network, "task": task}
    return evaluator.measure(results, card=card, source=source, **more)


def main_metrics(
    evaluator: Evaluator,
    results: Iterable[Result | ErrorResult],
    *,
    card: Card,
    source: Source,
    network: Network,
    task: Task,
) -> dict[str, float]:
    """The metrics that are one number, as `measured` has them.

    A module with a function ``main_metrics`` finds them without what a report shows beside them.
    """
    brief = getattr(evaluator, "main_metrics", None)
    if brief is not None:
        found: dict[str, float] = brief(results, card=card, source=source, task=task)
        return found
    whole = measured(evaluator, results, card=card, source=source, network=network, task=task)
    return whole.main()
