"""Values of options: whether they are of a type, and how texts and TOML values become them."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.memory import format_size

_WORDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path",
}  # fmt: skip
_SEVERAL = {str: "a list of texts", int: "a list of whole numbers", float: "a list of numbers"}
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class WrongValueError(ValueError):
    """A value breaks its rule; the message is without the option's name."""


@functools.cache
def arms(hint: Any) -> tuple[Any, ...]:
    """The types of a union without None; of anything else, itself."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return tuple(arm for arm in typing.get_args(hint) if arm is not types.NoneType)
    return (hint,)


def optional(hint: Any) -> bool:
    """Whether None is of the type."""
    return types.NoneType in typing.get_args(hint)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type. Whole numbers are numbers; True and False are not."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, arm) for arm in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(fits, value, inner))
    if origin is not None:
        return isinstance(value, Mapping) and all(
            fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items()
        )
    if hint is Path:
        return isinstance(value, str | Path)
    numeric = {int: int, float: int | float}.get(hint)
    if numeric is not None:
        return isinstance(value, numeric) and not isinstance(value, bool)
    return isinstance(value, hint)


def described(hint: Any) -> str:
    """A type in words: ``a whole number``."""
    return " or ".join(dict.fromkeys(map(_described, arms(hint))))


def _described(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"{len(inner)} {_SEVERAL[inner[0]].removeprefix('a list of ')}"
    if origin is tuple:
        return _SEVERAL[inner[0]]
    if origin is not None:
        return "a table of texts"
    return _WORDS[hint]


def from_text(text: str, hint: Any) -> Any:
    """The value of a text: numbers, ``true``, lists ``a,b``, tables ``a=b,c=d``.

    Raises:
        ValueError: it is none of the type.
    """
    hint = arms(hint)[0]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return next((word for word in inner if str(word) == text), text)
    if origin is tuple:
        parts = [part.strip() for part in text.split(",")]
        return tuple(from_text(part, inner[0]) for part in parts)
    if origin is not None:
        return pairs(text)
    if hint is bool:
        if text.lower() not in _SWITCH:
            raise ValueError(text)
        return _SWITCH[text.lower()]
    return hint(text.strip()) if hint in (int, float) else hint(text)


def from_file(value: Any, hint: Any) -> Any:
    """The value of one of TOML or JSON: lists become tuples, whole numbers numbers.

    What does not fit stays as it is, for the check to name.
    """
    if isinstance(value, list | tuple):
        kinds = [arm for arm in arms(hint) if typing.get_origin(arm) is tuple]
        inner = typing.get_args(kinds[0])[0] if kinds else Any
        return tuple(from_file(item, inner) for item in value)
    if isinstance(value, Mapping):
        return {key: scalar(item) for key, item in value.items()}
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and float in arms(hint) and int not in arms(hint):
        return float(value)
    return value


def scalar(value: Any) -> Any:
    """A plain value as text, as in ``a=b``; anything else stays as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def pairs(text: str, example: str = "name=value") -> dict[str, str]:
    """``a=b,c=d`` as a dictionary; spaces around names and values do not matter.

    Args:
        text: the pairs, with commas between them.
        example: what one looks like, for the message.

    Raises:
        WrongValueError: not of that form, or a name twice.
    """
    found: dict[str, str] = {}
    for part in filter(str.strip, text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and name and value):
            raise WrongValueError(f"must look like {example}, found {part!r}")
        if name in found:
            raise WrongValueError(f"gives {name!r} twice")
        found[name] = value
    return found


def shown(value: Any, unit: str = "") -> str:
    """A value in words: ``4 GiB``, ``16,777,216``, ``a, b``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return repr(value)
        if unit == "bytes":
            return format_size(value)
        return f"{value:,.0f}" if abs(value) >= 1000 and value == int(value) else repr(value)
    if isinstance(value, tuple):
        return ", ".join(shown(item, unit) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return str(value)
