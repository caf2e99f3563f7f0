"""Options of prediction that a task declares for itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from anysize import tasks
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.core.options import Naming, Options, by_field, declared, problems
from anysize.tasks.protocols import Predicting, Task


def options_of(task: object) -> type[Options] | None:
    """The dataclass of a task's options of prediction; None where it has none."""
    # Asked in every call; whether an object fits a protocol takes ten times as long.
    kind = getattr(task, "prediction", None)
    return kind if isinstance(kind, type) and issubclass(kind, Options) else None


@cache
def every() -> Mapping[str, type[Options]]:
    """The options of prediction of all tasks that have some, by the tasks' names."""
    found = {name: options_of(tasks.load(name)) for name in plugins.keys("tasks")}
    return {name: kind for name, kind in found.items() if kind is not None}


def faults(task: Task, values: Mapping[str, Any], named: Naming = by_field) -> list[str]:
    """What is wrong with options that a task is asked to have, one sentence each.

    Args:
        task: that is asked.
        values: by name.
        named: how a message calls an option.
    """
    kind = options_of(task)
    own = {one.name for one in declared(kind)} if kind else set()
    found = [_foreign(name, task.name, own, named) for name in values if name not in own]
    if kind is not None:
        found += problems(kind, {name: values[name] for name in values if name in own}, named)
    return found


def asked(task: Task, values: Mapping[str, Any]) -> Task:
    """The task with options of prediction.

    Args:
        task: of a model.
        values: by name; None leaves an option at its default.

    Raises:
        ConfigurationError: an option that the task does not have, or a wrong value.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return task
    if found := faults(task, given):
        raise ConfigurationError(found)
    if not isinstance(task, Predicting):
        return task
    return task.predicting(task.prediction(**given))


def _foreign(name: str, task: str, own: set[str], named: Naming) -> str:
    for kind in every().values():
        one = next((one for one in declared(kind) if one.name == name), None)
        if one is not None:
            readers = [key for key, kind in every().items() if one.name in _names(kind)]
            return f"{named(one)} is for {' and '.join(readers)}, not for {task}"
    return unknown(name, own, f"is not an option of prediction with {task}")


def _names(kind: type[Options]) -> set[str]:
    return {one.name for one in declared(kind)}
