"""Tasks, one file each: what is windowed, the targets, the loss, the merger, the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from anysize.core import plugins

if TYPE_CHECKING:
    from anysize.tasks.protocols import Task


def load(name: str) -> Task:
    """The task of that name.

    Raises:
        ConfigurationError: no such task.
    """
    return cast("Task", plugins.load("tasks", name).make(name))
