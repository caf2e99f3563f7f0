"""Options as dataclasses: each field carries its help, its default and its rules.

Declare options beside the code that they steer, in a module that is light to import::

    @dataclass(frozen=True, kw_only=True)
    class TextOptions(Options):
        \"\"\"How texts are read.\"\"\"

        table: ClassVar[str] = "text"

        window: int | None = option(None, low=4, help="Tokens of a window.")
        overlap: int = option(0, low=0, help="Tokens that neighbouring windows share.")

        together: ClassVar[tuple[Together, ...]] = (
            Together(("overlap", "window"), lambda overlap, window: ...),
        )

``TextOptions(window=1)`` raises a ``ConfigurationError`` with every mistake. From the same fields
come the table ``[text]`` of a recipe and the options ``--window`` and ``--overlap``
(`core.option_making`), their help and the reference in the documentation (`declared`). A field's
annotation is its type: ``bool``, ``int``, ``float``, ``str``, ``tuple[str, ...]``,
``tuple[int, int]``, ``Mapping[str, str]``, ``Literal[...]``, and each of these ``| None``.

A module of a room (a task, for one) names the tables that it adds at top level::

    OPTIONS = (TextOptions,)
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.core.option_fields import (
    REQUIRED,
    Declared,
    Naming,
    by_field,
    by_flag,
    by_table,
    option,
)

__all__ = [
    "REQUIRED",
    "Declared",
    "Naming",
    "Options",
    "Together",
    "by_field",
    "by_flag",
    "by_table",
    "declared",
    "foreign",
    "option",
    "problems",
]


@dataclass(frozen=True, slots=True)
class Together:
    """A rule over several options of one table; checked where each of them is right by itself.

    Attributes:
        names: the options; a message starts with the first one.
        check: takes their values in this order, and returns what is wrong behind the first one's
            name (``"must be below window - 2 (8), not 9"``, ``": only one of …"``), or None.
    """

    names: tuple[str, ...]
    check: Callable[..., str | None]


class Options:
    """Base of dataclasses of options: an instance that breaks a rule cannot be made.

    Attributes:
        table: the name of their table in a recipe.
        heading: of their group in the command line's help; empty for the table's name as words.
        together: rules over several options.
    """

    table: ClassVar[str] = ""
    heading: ClassVar[str] = ""
    together: ClassVar[tuple[Together, ...]] = ()

    def __post_init__(self) -> None:
        values = {one.name: getattr(self, one.name) for one in declared(type(self))}
        if found := problems(type(self), values):
            raise ConfigurationError(found)


def declared(kind: Any) -> tuple[Declared, ...]:
    """The options of a dataclass (a class, not an instance), in their order."""
    return _declared(kind)


@functools.cache
def _declared(kind: Any) -> tuple[Declared, ...]:
    types = typing.get_type_hints(kind)
    return tuple(
        Declared(
            name=item.name,
            table=getattr(_owner(kind, item.name), "table", ""),
            heading=_heading(_owner(kind, item.name)),
            type=types[item.name],
            default=_default(item),
            rules=item.metadata["option"],
        )
        for item in dataclasses.fields(kind)
        if "option" in item.metadata
    )


def problems(
    kind: type[Options],
    values: Mapping[str, Any],
    named: Naming = by_field,
    *,
    broken: Collection[str] = (),
) -> list[str]:
    """Every mistake in the values of a dataclass of options, one sentence each.

    Args:
        kind: the dataclass.
        values: by field; those that are left out have their defaults.
        named: how a message calls an option.
        broken: fields whose values are known to be wrong, and are not looked at.
    """
    known = {one.name: one for one in declared(kind)}
    found = [unknown(name, known, foreign(kind)) for name in values if name not in known]
    sound: dict[str, Any] = {}
    for name, one in known.items():
        if name in broken:
            continue
        if name not in values and one.required:
            found.append(f"{named(one)} is missing and has no default")
            continue
        value = values.get(name, one.default)
        problem = one.problem(value)
        if problem is None:
            sound[name] = value
        else:
            found.append(f"{named(one)} {problem}")
    for rule in _together(kind):
        if all(name in sound for name in rule.names):
            problem = rule.check(*(sound[name] for name in rule.names))
            if problem is not None:
                space = "" if problem.startswith(":") else " "
                found.append(f"{named(known[rule.names[0]])}{space}{problem}")
    return found


def foreign(kind: type[Options]) -> str:
    """What is wrong with a name that is not an option of a class."""
    return f"is not an option of [{kind.table}]" if kind.table else "is not an option"


def _default(item: dataclasses.Field[Any]) -> Any:
    factory: Any = item.default_factory
    return item.default if factory is dataclasses.MISSING else factory()


def _together(kind: type[Options]) -> tuple[Together, ...]:
    """The rules of a class and of those that it is composed of."""
    own = (base.__dict__.get("together", ()) for base in kind.__mro__)
    return tuple(rule for rules in own for rule in rules)


def _owner(kind: type[Any], name: str) -> type[Any]:
    """The class that declares a field; its table is the field's."""
    return next(base for base in kind.__mro__ if name in inspect.get_annotations(base))


def _heading(owner: type[Any]) -> str:
    """What a group of options is called in help: ``text-generation`` is ``Text generation``."""
    table: str = getattr(owner, "table", "")
    return getattr(owner, "heading", "") or table.replace("-", " ").capitalize()
