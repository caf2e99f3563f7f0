"""Chains of methods: ``prune-structured(flops=0.5), int8`` as steps, checked before work starts."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from anysize.compression.protocols import Method
from anysize.core import plugins
from anysize.core.errors import ConfigurationError

_STEP = re.compile(r"\s*([\w.:-]+)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Step:
    """A method with its parameters."""

    method: Method
    options: Any

    def __str__(self) -> str:
        changed = [
            f"{item.name}={getattr(self.options, item.name)}"
            for item in dataclasses.fields(self.options)
            if getattr(self.options, item.name) != item.default
        ]
        return self.method.key + (f"({', '.join(changed)})" if changed else "")


def load_method(key: str) -> Method:
    """The method of that name.

    Raises:
        ConfigurationError: no such method; near names are suggested.
    """
    return cast(Method, plugins.load("compression", key).make(key))


def parse(text: str) -> tuple[Step, ...]:
    """The steps of ``method(name=value, …), method, …``.

    Raises:
        ConfigurationError: an unknown method or parameter, or a value of the wrong kind; all
            faults are named.
    """
    steps: list[Step] = []
    faults: list[str] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            faults.append(
                f"method {text!r} is not readable from {text[place:]!r}; write "
                "method(name=value), method, …"
            )
            break
        place = match.end()
        try:
            method = load_method(match[1])
            steps.append(Step(method, _options(method, match[2] or "")))
        except ConfigurationError as error:
            faults += error.problems
    if not steps and not faults:
        faults.append("no method is named")
    if faults:
        raise ConfigurationError(faults)
    return tuple(steps)


def describe(steps: Sequence[Step]) -> str:
    """The chain as it is written."""
    return ", ".join(map(str, steps))


def _options(method: Method, text: str) -> Any:
    kinds = typing.get_type_hints(method.options)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for part in filter(str.strip, text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in kinds:
            known = ", ".join(kinds) or "none"
            faults.append(f"{method.key} has no parameter {part.strip()!r}; it has: {known}")
            continue
        try:
            values[name] = _value(kinds[name], value)
        except ValueError:
            faults.append(f"{method.key}: {name} must be {_kind(kinds[name])}, not {value!r}")
    if faults:
        raise ConfigurationError(faults)
    try:
        return method.options(**values)
    except ConfigurationError as error:
        raise ConfigurationError([f"{method.key}: {each}" for each in error.problems]) from error


def _value(kind: Any, text: str) -> Any:
    kind = _plain(kind)
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    return kind(text)


def _plain(kind: Any) -> Any:
    """``int`` of ``int | None``."""
    if isinstance(kind, types.UnionType):
        return next(each for each in typing.get_args(kind) if each is not types.NoneType)
    return kind


def _kind(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(_plain(kind), str(kind))
