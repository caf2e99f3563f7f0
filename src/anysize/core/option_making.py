"""Options made of texts (a command line, ``a=b,c=d``) and of plain values (TOML, JSON)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from anysize.core.errors import ConfigurationError
from anysize.core.near import unknown
from anysize.core.option_values import WrongValueError
from anysize.core.options import (
    Declared,
    Naming,
    Options,
    by_field,
    by_table,
    declared,
    foreign,
    problems,
)

_Kind = TypeVar("_Kind", bound=Options)


def from_text(kind: type[_Kind], texts: Mapping[str, str], named: Naming = by_field) -> _Kind:
    """Makes options of texts (``{"window": "128"}``), as a command line or ``a=b,c=d`` gives them.

    Raises:
        ConfigurationError: every mistake at once.
    """
    return _made(kind, texts, Declared.from_text, named)


def from_values(kind: type[_Kind], values: Mapping[str, Any], named: Naming = by_table) -> _Kind:
    """Makes options of plain values, as TOML and JSON have them, by their names in a table.

    Raises:
        ConfigurationError: every mistake at once.
    """
    fields = {one.key: one.name for one in declared(kind)}
    faults = [unknown(key, fields, foreign(kind)) for key in values if key not in fields]
    given = {fields[key]: value for key, value in values.items() if key in fields}
    return _made(kind, given, Declared.from_file, named, faults)


def _made(
    kind: type[_Kind],
    given: Mapping[str, Any],
    convert: Callable[[Declared, Any], Any],
    named: Naming,
    faults: Sequence[str] = (),
) -> _Kind:
    values, found = converted(declared(kind), given, convert, named)
    found = [*faults, *found]
    found += problems(kind, values, named, broken=given.keys() - values.keys())
    if found:
        raise ConfigurationError(found)
    return kind(**values)


def converted(
    options: Iterable[Declared],
    given: Mapping[str, Any],
    convert: Callable[[Declared, Any], Any],
    named: Naming,
) -> tuple[dict[str, Any], list[str]]:
    """Values by field, without those that could not be converted, and a sentence for each of these.

    Args:
        options: that may be given; values of other names stay as they are.
        given: by field.
        convert: `Declared.from_text` or `Declared.from_file`.
        named: how a message calls an option.
    """
    known = {one.name: one for one in options}
    values: dict[str, Any] = {}
    found: list[str] = []
    for name, value in given.items():
        try:
            values[name] = convert(known[name], value) if name in known else value
        except WrongValueError as error:
            found.append(f"{named(known[name])} {error}")
        except ConfigurationError as error:
            found += [f"{named(known[name])}: {problem}" for problem in error.problems]
    return values, found
