"""The task as a recipe asks for it: its head, its loss, its options of prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anysize import heads, tasks
from anysize.core.options import declared
from anysize.heads.options import ClassOptions, HeadOptions, NumberOptions
from anysize.heads.protocols import HeadLoss
from anysize.sources.labels.targets import targets
from anysize.tasks.prediction import asked, options_of
from anysize.tasks.protocols import Headed, Task, head_of
from anysize.training.order import Strata
from anysize.training.recipe import Recipe

if TYPE_CHECKING:
    from anysize.core.records import Source
    from anysize.models.bundle import Card


def task_of(recipe: Recipe, task: Task | None = None) -> Task:
    """The task with the head, and the options of prediction, that the recipe asks for.

    Args:
        recipe: what is trained.
        task: of a run that goes on, with the head that it learned.

    Raises:
        ConfigurationError: a head for other tasks, or an option that does nothing for it.
    """
    task = _headed(recipe, task or tasks.load(recipe.task))
    return asked(task, prediction_of(recipe, task))


def _headed(recipe: Recipe, task: Task) -> Task:
    """The task with the head and the metric that the recipe names.

    Raises:
        ConfigurationError: a head for other tasks, or an option that does nothing for it.
    """
    wished = recipe.part(HeadOptions)
    if wished is None or not isinstance(task, Headed):
        return task
    head = task.head
    if wished.head is not None and heads.load(wished.head).name != head.name:
        head = heads.load(wished.head)
    given = head_options(recipe)
    task = task.wishing(given, wished.metric or "")
    # Where none is named, the data may still choose another head, which then checks the options.
    return task if wished.head is None and not task.chosen else task.headed(head)


def with_loss(task: Task, card: Card, training: Source) -> Task:
    """The task with the loss that its options ask for.

    Args:
        task: what is trained.
        card: knows how many training records each class has.
        training: the training records.
    """
    if head_of(task) is None or not isinstance(task, Headed):
        return task
    weights: tuple[float, ...] = ()
    if task.options.get("class_weights") == "balanced":
        counts = {**card.provenance.get("label_counts", {}), "": len(training)}
        weights = task.head.weights(counts, card.labels)
    return task.losing(HeadLoss(weights=weights, focal=task.options.get("focal", 0.0)))


def strata_of(task: Task, card: Card, training: Source) -> Strata | None:
    """The training records by what they are balanced by; None where they are taken as they come."""
    if not isinstance(task, Headed) or task.options.get("sampling") != "balanced":
        return None
    counts = card.provenance.get("label_counts", {})
    names: dict[str, int] = {}
    found = np.zeros(len(training), np.int32)
    for index, target in enumerate(targets(training)):
        # Of a record that cannot be read nobody knows it: it is visited with the first class.
        name = "" if target is None else task.head.stratum(target, counts)
        found[index] = names.setdefault(name, len(names)) if target is not None else 0
    return Strata(found)


def head_options(recipe: Recipe) -> dict[str, Any]:
    """Options of the head that are not the defaults, by name."""
    found: dict[str, Any] = {}
    for part in (recipe.part(ClassOptions), recipe.part(NumberOptions)):
        for one in declared(type(part)) if part is not None else ():
            if (value := getattr(part, one.name)) != one.default:
                found[one.name] = value
    return found


def prediction_of(recipe: Recipe, task: Task) -> dict[str, Any]:
    """The options of prediction that the recipe gives; the model keeps them (``Predicting``)."""
    kind = options_of(task)
    part = None if kind is None else recipe.part(kind)
    if part is None:
        return {}
    given = {one.name: getattr(part, one.name) for one in declared(type(part))}
    return {name: value for name, value in given.items() if value is not None}
