"""Which of the things that a detector finds are reported, as a recipe says."""

from __future__ import annotations

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.tasks.protocols import Selective, Task
from anysize.training.recipe import Recipe


def task_of(recipe: Recipe, task: Task | None = None) -> Task:
    """The task with what the recipe says about the objects that it reports.

    Args:
        recipe: what is trained.
        task: of a run that goes on, with the head that it learned.

    Raises:
        ConfigurationError: the task reports one thing of a record.
    """
    task = task or tasks.load(recipe.task)
    selection = selection_of(recipe)
    if not selection:
        return task
    if not isinstance(task, Selective):
        names = " and ".join(selection)
        raise ConfigurationError(f"{names}: for object-detection, not for {recipe.task}")
    return task.selecting(**selection)


def selection_of(recipe: Recipe) -> dict[str, float]:
    """The rules that the recipe gives; nothing of those that it leaves to the task."""
    wishes = {"threshold": recipe.value("threshold"), "nms_iou": recipe.value("nms_iou")}
    return {name: value for name, value in wishes.items() if value is not None}
