"""Commands whose options are those of a task: made from the dataclasses that declare them.

``anysize train --help`` shows what every task has, ``anysize train TASK --help`` also the tables of
that task. Values reach the command as texts, so that all their mistakes are reported together.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand

from anysize.core import plugins
from anysize.core.errors import UsageError
from anysize.core.options import Declared, declared

_TASK, _OPTIONS, _PARAMETERS, _GIVEN = (
    f"anysize.{name}" for name in ("task", "options", "parameters", "given")
)


class TaskCommand(TyperCommand):
    """A command whose first argument is a task or a recipe; that decides which options it has."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; the texts of the task's options are left for `given`."""
        task = _task_in(args)
        options = _options(task)
        made = _parameters(options, hidden=False) + _parameters(_others(options, args), hidden=True)
        ctx.meta.update({_TASK: task, _OPTIONS: options, _PARAMETERS: made})
        left = super().parse_args(ctx, args)
        names = {item.name for item in made}
        taken = {name: ctx.params.pop(name) for name in list(ctx.params) if name in names}
        ctx.meta[_GIVEN] = {
            name: value if isinstance(value, str) else str(value).lower()
            for name, value in taken.items()
            if value is not None
        }
        return left

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, and the task's."""
        *own, last = super().get_params(ctx)
        return [*own, *ctx.meta.get(_PARAMETERS, ()), last]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the options in groups, one for each table."""
        tables = {one.name: one.table for one in ctx.meta[_OPTIONS]}
        groups: dict[str, list[tuple[str, str]]] = {}
        for item in self.get_params(ctx):
            record = item.get_help_record(ctx)
            if record is not None:
                kind = "Arguments" if item.param_type_name == "argument" else "Options"
                table = tables.get(item.name)
                title = kind if table is None else table.capitalize()
                groups.setdefault(title, []).append(record)
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Says where the other options are, unless a task was named."""
        if ctx.meta[_TASK] is None:
            with formatter.section("Tasks"):
                formatter.write_text(", ".join(plugins.keys("tasks")))
            formatter.write_paragraph()
            formatter.write_text(f"The options of one of them: {ctx.command_path} TASK --help")


def given(context: typer.Context) -> dict[str, str]:
    """The texts of the task's options that the user gave, by the options' names."""
    return dict(context.meta[_GIVEN])


def _options(task: str | None) -> tuple[Declared, ...]:
    """The options of a recipe of this task; of no known task, those that every task has."""
    from anysize.training.recipe import Recipe, own_tables

    kinds = own_tables(task) if task in plugins.keys("tasks") else ()
    common = [one for one in declared(Recipe) if one.flag is not None]
    own = [one for kind in kinds for one in declared(kind) if one.flag is not None]
    return (*common[: _place(common)], *own, *common[_place(common) :])


def _place(common: list[Declared]) -> int:
    """Where the task's own tables come: behind data and model."""
    from anysize.models.options import ModelOptions

    return max(place for place, one in enumerate(common) if one.table == ModelOptions.table) + 1


def _others(options: Iterable[Declared], args: list[str]) -> list[Declared]:
    """Options of other tasks, where the user gave one: its mistake is reported with the others."""
    taken = {name for one in options for name in _flags(one)}
    asked = {word.partition("=")[0] for word in args if word.startswith("--")}
    if asked <= taken | {"--help", "--json", "--resume"}:
        return []
    from anysize.tasks.options import every_table

    found: dict[str, Declared] = {}
    for kind in every_table().values():
        for one in declared(kind):
            if one.flag is not None and not taken & set(_flags(one)):
                found.setdefault(one.name, one)
    return list(found.values())


def _task_in(args: list[str]) -> str | None:
    """The task among the arguments of a command, or that of the recipe among them."""
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


def _parameters(options: Iterable[Declared], *, hidden: bool) -> list[Any]:
    """Parameters of a command for options: texts, and switches."""
    arguments = [_argument(one, hidden=hidden) for one in options]

    def made(**_values: Any) -> None:
        """Only its signature is looked at."""

    made.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    made.__annotations__ = {item.name: item.annotation for item in arguments}
    command = typer.Typer(add_completion=False, rich_markup_mode=None)
    command.command()(made)
    return [item for item in typer.main.get_command(command).params if item.name != "help"]


def _argument(one: Declared, *, hidden: bool) -> inspect.Parameter:
    switch = one.switch
    setting = typer.Option(
        "/".join(_flags(one)),
        help=_help(one),
        metavar=None if switch else _metavar(one),
        hidden=hidden,
        show_default=False,
    )
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[bool | None if switch else str | None, setting],
    )


def _flags(one: Declared) -> tuple[str, ...]:
    flag = one.flag or ""
    return (flag, "--no-" + flag.removeprefix("--")) if one.switch else (flag,)


def _help(one: Declared) -> str:
    """The help with the default; that a switch is off needs no word."""
    if one.switch and not one.default:
        return one.rules.help
    default = None if one.required else one.default
    return f"{one.rules.help} [default: {one.shown(default)}]"


def _metavar(one: Declared) -> str:
    if one.rules.metavar:
        return one.rules.metavar
    words = one.rules.allowed()
    if words:
        return "|".join(words)
    return {int: "N", float: "NUMBER"}.get(one.arms[0], "TEXT")
