"""Commands whose options are declared by dataclasses, and depend on what the command is given.

Values reach the command as texts, so that all their mistakes are reported together.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from anysize.cli.flags import Command
from anysize.core.renamed import current_flags

if TYPE_CHECKING:
    from anysize.core.options import Declared

_OPTIONS, _PARAMETERS, _GIVEN = (f"anysize.{name}" for name in ("options", "parameters", "given"))


class DeclaredCommand(Command):
    """A command whose arguments decide which options it has."""

    @abstractmethod
    def declared_for(
        self, ctx: Any, args: list[str]
    ) -> tuple[Sequence[Declared], Sequence[Declared]]:
        """The options that help shows, and those that are taken besides, each flag once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; the texts of the declared options are left for `given`."""
        shown, hidden = self.declared_for(ctx, args)
        args = current_flags((*shown, *hidden), args)
        made = _parameters(shown, hidden=False) + _parameters(hidden, hidden=True)
        ctx.meta.update({_OPTIONS: shown, _PARAMETERS: made})
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
        """The command's own parameters, and the declared ones."""
        *own, last = super().get_params(ctx)
        return [*own, *ctx.meta.get(_PARAMETERS, ()), last]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the options in groups, one for each table, under its heading."""
        headings = {one.name: one.heading for one in ctx.meta[_OPTIONS]}
        groups: dict[str, list[tuple[str, str]]] = {}
        for item in self.get_params(ctx):
            record = item.get_help_record(ctx)
            if record is not None:
                kind = "Arguments" if item.param_type_name == "argument" else "Options"
                groups.setdefault(headings.get(item.name, kind), []).append(record)
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def given(context: typer.Context) -> dict[str, str]:
    """The texts of the declared options that the user gave, by the options' names."""
    return dict(context.meta[_GIVEN])


def flags(one: Declared) -> tuple[str, ...]:
    """The names of an option on the command line; the second one of a switch turns it off."""
    flag = one.flag or ""
    return (flag, "--no-" + flag.removeprefix("--")) if one.switch else (flag,)


def asks_for_more(options: Iterable[Declared], known: Iterable[str], args: list[str]) -> bool:
    """Whether there are options among the arguments that are none of these.

    Args:
        options: declared ones.
        known: flags of the command itself.
        args: of the command.
    """
    taken = {name for one in options for name in flags(one)} | {*known, "--help"}
    return any(
        word.startswith("--") and word != "--" and word.partition("=")[0] not in taken
        for word in args
    )


def first_argument(args: list[str], valued: Iterable[str]) -> str | None:
    """The first word that is neither an option nor an option's value.

    Args:
        args: of the command.
        valued: flags that a value follows.
    """
    with_value = set(valued)
    for before, word in zip(["", *args], args, strict=False):
        if not word.startswith("-") and before not in with_value:
            return word
    return None


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
        "/".join(flags(one)),
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
