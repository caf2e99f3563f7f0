"""Commands whose options are those of a task: ``anysize train TASK``.

``anysize train --help`` shows what every task has, ``anysize train TASK --help`` also the tables of
that task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anysize.cli.declared_command import DeclaredCommand, asks_for_more, flags
from anysize.core import plugins
from anysize.core.errors import UsageError

if TYPE_CHECKING:
    from anysize.core.options import Declared

_TASK = "anysize.task"


class TaskCommand(DeclaredCommand):
    """A command whose first argument is a task or a recipe; that decides which options it has."""

    def declared_for(
        self, ctx: Any, args: list[str]
    ) -> tuple[Sequence[Declared], Sequence[Declared]]:
        """See ``DeclaredCommand``."""
        task = ctx.meta[_TASK] = _task_in(args)
        options = _options(task)
        shown = _narrowed(task, options)
        names = {one.name for one in shown}
        hidden = [one for one in options if one.name not in names]
        # Options of other tasks: their mistake is reported with the others.
        more = asks_for_more(options, ("--json", "--resume"), args)
        return shown, [*hidden, *_others(options)] if more else hidden

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Says where the other options are, unless a task was named."""
        if ctx.meta[_TASK] is None:
            with formatter.section("Tasks"):
                formatter.write_text(", ".join(plugins.keys("tasks")))
            formatter.write_paragraph()
            formatter.write_text(f"The options of one of them: {ctx.command_path} TASK --help")


def _options(task: str | None) -> tuple[Declared, ...]:
    """The options of a recipe of this task; of no known task, those that every task has."""
    from anysize.core.options import declared
    from anysize.training.recipe import Recipe, own_tables

    kinds = own_tables(task) if task in plugins.keys("tasks") else ()
    common = [one for one in declared(Recipe) if one.flag is not None]
    own = [one for kind in kinds for one in declared(kind) if one.flag is not None]
    return (*common[: _place(common)], *own, *common[_place(common) :])


def _narrowed(task: str | None, options: Sequence[Declared]) -> tuple[Declared, ...]:
    """The options as a task takes them: without those that do nothing for it."""
    from anysize.tasks.options import narrowed

    if task not in plugins.keys("tasks"):
        return tuple(options)
    return tuple(each for one in options if (each := narrowed(task, one)) is not None)


def _place(common: list[Declared]) -> int:
    """Where the task's own tables come: behind data and model."""
    from anysize.models.options import ModelOptions

    return max(place for place, one in enumerate(common) if one.table == ModelOptions.table) + 1


def _others(options: Sequence[Declared]) -> list[Declared]:
    """The options of all tasks that are not among these."""
    from anysize.core.options import declared
    from anysize.tasks.options import every_table

    taken = {name for one in options for name in flags(one)}
    found: dict[str, Declared] = {}
    for kind in every_table().values():
        for one in declared(kind):
            if one.flag is not None and not taken & set(flags(one)):
                found.setdefault(one.name, one)
    return list(found.values())


def _task_in(args: list[str]) -> str | None:
    """The task among the arguments of a command, or that of the recipe among them."""
    from anysize.core.options import declared
    from anysize.training.recipe import Recipe

    valued = {one.flag for one in declared(Recipe) if not one.switch}
    for before, word in zip(["", *args], args, strict=False):
        if before in valued:
            continue
        if word in plugins.keys("tasks"):
            return word
        if word.endswith(".toml") and not word.startswith("-"):
            return _task_of_file(word)
    return None


def _task_of_file(path: str) -> str | None:
    """The task of a recipe; None where there is none: reading it says why."""
    from anysize.training.recipe_file import read

    try:
        task = read(path).get("task")
    except UsageError:
        return None
    return task if isinstance(task, str) else None
