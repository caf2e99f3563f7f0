"""Commands whose options are those of a bundle's task: ``anysize predict BUNDLE``.

``anysize predict --help`` shows what every model has, ``anysize predict BUNDLE --help`` also the
options of the bundle's task, and leaves out those for other kinds of input.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from anysize.cli.declared_command import (
    DeclaredCommand,
    asks_for_more,
    first_argument,
    flags,
    given,
)
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.option_making import converted, from_text
from anysize.core.options import Declared, by_flag, declared

if TYPE_CHECKING:
    from anysize.planning.options import PredictOptions
    from anysize.tasks.protocols import Task

_CARD = "anysize.json"
_TASK = "anysize.task"
_LARGEST_CARD = 1 << 26


class BundleCommand(DeclaredCommand):
    """A command whose first argument is a bundle; its task decides which options it has."""

    def declared_for(
        self, ctx: Any, args: list[str]
    ) -> tuple[Sequence[Declared], Sequence[Declared]]:
        """See ``DeclaredCommand``."""
        from anysize.planning.options import PredictOptions

        common = declared(PredictOptions)
        own = TyperParameters(self.params)
        valued = own.valued | {one.flag or "" for one in common if not one.switch}
        task = ctx.meta[_TASK] = _task_of(first_argument(args, valued), args)
        more = _of_task(task)
        shown = [each for one in common if (each := _fitting(one, task)) is not None]
        names = {one.name for one in shown}
        rest = [one for one in common if one.name not in names]
        if asks_for_more((*common, *more), own.flags, args):
            rest += _others((*common, *more))
        return (*shown, *more), rest

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Says where the other options are, unless a bundle was named."""
        if ctx.meta[_TASK] is None:
            formatter.write_paragraph()
            formatter.write_text(
                f"Tasks have options of their own: {ctx.command_path} BUNDLE --help"
            )


class TyperParameters:
    """The flags of a command's own parameters.

    Attributes:
        flags: all.
        valued: those that a value follows.
    """

    def __init__(self, parameters: Sequence[Any]) -> None:
        named = [item for item in parameters if item.param_type_name == "option"]
        self.flags = {flag for item in named for flag in (*item.opts, *item.secondary_opts)}
        self.valued = {flag for item in named if not item.is_flag for flag in item.opts}


def prediction_options(context: typer.Context) -> PredictOptions:
    """What the command line asks of prediction.

    The options of the task are among them where the bundle says which task it has; else `completed`
    adds them.

    Raises:
        ConfigurationError: every mistake at once.
    """
    from anysize import tasks
    from anysize.planning.options import PredictOptions

    texts = given(context)
    names = {one.name for one in declared(PredictOptions)}
    own = {name: text for name, text in texts.items() if name not in names}
    task = context.meta[_TASK]
    faults: list[str] = []
    asked: dict[str, Any] = {}
    if task is not None:
        asked, faults = _converted(tasks.load(task), own)
    common = {name: text for name, text in texts.items() if name in names}
    try:
        settings = from_text(PredictOptions, common, by_flag)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *faults]) from None
    if faults:
        raise ConfigurationError(faults)
    return dataclasses.replace(settings, of_task=asked)


def completed(context: typer.Context, settings: PredictOptions, task: Task) -> PredictOptions:
    """The options with those of the task, which was not known before the model was loaded.

    Raises:
        ConfigurationError: every mistake at once.
    """
    if context.meta[_TASK] is not None:
        return settings
    names = {item.name for item in dataclasses.fields(settings)}
    own = {name: text for name, text in given(context).items() if name not in names}
    asked, faults = _converted(task, own)
    if faults:
        raise ConfigurationError(faults)
    return dataclasses.replace(settings, of_task=asked)


def _converted(task: Task, texts: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The values of a task's options, and what is wrong with them."""
    from anysize.tasks.prediction import faults, options_of

    kind = options_of(task)
    options = () if kind is None else declared(kind)
    values, found = converted(options, texts, Declared.from_text, by_flag)
    return values, [*found, *faults(task, values, by_flag)]


def _task_of(bundle: str | None, args: list[str]) -> str | None:
    """The task that ``--task`` names, or the card of a bundle, or a model that is ready."""
    for before, word in zip(["", *args], args, strict=False):
        name = word if before == "--task" else word.removeprefix("--task=")
        if (before == "--task" or name != word) and plugins.has("tasks", name):
            return name
    if bundle is None:
        return None
    ready = plugins.declared("models", bundle, "READY")
    if ready is not None and not Path(bundle).exists():
        return ready
    card = Path(bundle) / _CARD
    try:
        if card.stat().st_size > _LARGEST_CARD:
            return None
        task = json.loads(card.read_text(encoding="utf-8")).get("task")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # opening the model says what is wrong with it
    return task if plugins.has("tasks", task) else None


def _of_task(name: str | None) -> tuple[Declared, ...]:
    """The options of prediction of a task."""
    if name is None:
        return ()
    from anysize import tasks
    from anysize.tasks.prediction import options_of

    kind = options_of(tasks.load(name))
    return () if kind is None else tuple(one for one in declared(kind) if one.flag is not None)


def _fitting(one: Declared, name: str | None) -> Declared | None:
    """An option as a task takes it; None where it does nothing, or nothing for what it reads."""
    if name is None:
        return one
    from anysize import modalities, tasks
    from anysize.planning.options import PredictOptions
    from anysize.tasks.fields import windowed
    from anysize.tasks.options import narrowed

    own = declared(modalities.load(windowed(tasks.load(name)).kind).options)
    if one.name in PredictOptions().wishes() and one.name not in {each.name for each in own}:
        return None
    return narrowed(name, one)


def _others(options: Sequence[Declared]) -> list[Declared]:
    """The options of prediction of all tasks that are not among these."""
    from anysize.tasks.prediction import every

    taken = {name for one in options for name in flags(one)}
    found: dict[str, Declared] = {}
    for kind in every().values():
        for one in declared(kind):
            if one.flag is not None and not taken & set(flags(one)):
                found.setdefault(one.name, one)
    return list(found.values())
