"""Tasks, one file each: what is windowed, the targets, the loss, the merger, the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from anysize.core import plugins

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.tasks.protocols import Task


def load(name: str) -> Task:
    """The task of that name.

    Raises:
        ConfigurationError: no such task.
    """
    return cast("Task", plugins.load("tasks", name).make(name))


def of(card: Card) -> Task:
    """The task of a trained model, with the head that it learned and the options that it keeps.

    Raises:
        ConfigurationError: no such task.
        BundleError: the card's head or its options of prediction are not known, or damaged.
    """
    from anysize import heads
    from anysize.core.errors import BundleError, ConfigurationError
    from anysize.tasks.prediction import asked
    from anysize.tasks.protocols import Headed

    task = load(card.task)
    if isinstance(task, Headed) and card.head:
        task = task.headed(heads.of(card.head), str(card.head.get(heads.METRIC, "")))
    try:
        return asked(task, card.prediction)
    except ConfigurationError as error:
        found = "; ".join(f"prediction.{each}" for each in error.problems)
        raise BundleError(card.model, f"not a valid card: {found}") from error
