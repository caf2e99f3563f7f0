"""The tables of options that a task adds to a recipe: those of its modality, and its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from anysize import modalities
from anysize.core import plugins
from anysize.core.options import Options


@cache
def tables(task: str) -> tuple[type[Options], ...]:
    """The tables of a task: its modality's, and those that its module names in ``OPTIONS``.

    Raises:
        ConfigurationError: no such task.
    """
    from anysize.tasks.fields import windowed

    module = plugins.load("tasks", task)
    modality = modalities.load(windowed(module.make(task)).kind)
    read = (modality.options,) if modality.options.table else ()
    own: tuple[type[Options], ...] = getattr(module, "OPTIONS", ())
    return (*read, *own)


@cache
def every_table() -> Mapping[str, type[Options]]:
    """The tables of all tasks, by their names."""
    return {kind.table: kind for task in plugins.keys("tasks") for kind in tables(task)}


def readers_of(table: str) -> tuple[str, ...]:
    """The tasks that have a table."""
    return tuple(
        task for task in plugins.keys("tasks") if table in {kind.table for kind in tables(task)}
    )
