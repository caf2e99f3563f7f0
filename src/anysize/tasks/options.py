"""The tables of options that a task adds to a recipe: those of its modality, and its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from anysize import modalities, tasks
from anysize.core import plugins
from anysize.core.options import Declared, Options
from anysize.tasks.abilities import Selective

_WHY = {
    "merge": "has one way to join windows",
    "labels": "has no classes",
    "label_smoothing": "learns no distribution over classes",
    "crop": "reads whole pictures",
    "window": "does not cut its inputs",
    "overlap": "does not cut its inputs",
    "tile": "does not cut its inputs",
    "tiles": "does not cut its inputs",
}
"""Why an option does nothing, by its name."""


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


def taken(task: str) -> Mapping[str, Sequence[str]]:
    """Of options that mean less for a task, by their names, the words that they may be."""
    made = tasks.load(task)
    return made.takes if isinstance(made, Selective) else {}


def narrowed(task: str, one: Declared) -> Declared | None:
    """An option as a task takes it; None where it does nothing."""
    words = taken(task).get(one.name)
    if words is None:
        return one
    return one.limited(words) if words else None


def misplaced(
    task: str, options: Iterable[Declared], values: Mapping[str, Any]
) -> Iterator[tuple[Declared, str]]:
    """Options with values that other tasks take, and what is wrong with them.

    Args:
        task: that is asked.
        options: whose values are right for some task.
        values: by the options' names.
    """
    for one in options:
        value = values.get(one.name, one.default)
        words = taken(task).get(one.name)
        if words is None or value in (None, one.default, one.rules.off):
            continue
        if value in (*words, *one.rules.others()):
            continue
        if one.problem(value) is not None:
            continue  # it is wrong for every task
        if words:
            yield one, f"must be {one.limited(words).expected()}, not {value!r}"
        else:
            yield one, f"has no effect on {task}, which {_WHY[one.name]}"


@cache
def every_table() -> Mapping[str, type[Options]]:
    """The tables of all tasks, by their names."""
    return {kind.table: kind for task in plugins.keys("tasks") for kind in tables(task)}


def readers_of(table: str) -> tuple[str, ...]:
    """The tasks that have a table."""
    return tuple(
        task for task in plugins.keys("tasks") if table in {kind.table for kind in tables(task)}
    )
