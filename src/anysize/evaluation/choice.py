"""Which module of this room measures a task: that of its head, or the task's own."""

from __future__ import annotations

from typing import cast

from anysize.core import plugins
from anysize.evaluation.protocols import Evaluator
from anysize.tasks.protocols import Task, head_of


def evaluator_of(task: Task) -> Evaluator:
    """What measures a task.

    Raises:
        ConfigurationError: nothing does.
    """
    head = head_of(task)
    return cast(
        Evaluator, plugins.load("evaluation", task.name if head is None else head.evaluation)
    )
