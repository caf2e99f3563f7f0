"""Reading a card: each field must be of its type, and every fault is named at once."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from anysize.core.errors import BundleError, ConfigurationError

T = TypeVar("T")


LARGEST_TEXT = 1 << 26
"""Bytes of a configuration or card, at most."""


def read_json(path: Path, most: int = LARGEST_TEXT) -> Any:
    """The value in a JSON file.

    Raises:
        BundleError: it cannot be read, is too large, or is not JSON.
    """
    try:
        if path.stat().st_size > most:
            raise BundleError(str(path), f"has more than {most >> 20} MiB; it cannot be read")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            str(path.parent), f"no {path.name} can be read: {error.strerror or error}"
        ) from error
    except RecursionError as error:
        raise BundleError(str(path), "not valid JSON: it is nested too deeply") from error
    except ValueError as error:
        raise BundleError(str(path), f"not valid JSON: {error}") from error


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 53


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _all(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(rule, value))


# By the annotation of a field, which is a text.
_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", _text),
    "int": ("a whole number", _whole),
    "float": ("a number", _number),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "tuple[str, ...]": ("a list of texts", _all(_text)),
    "tuple[float, ...]": ("a list of numbers", _all(_number)),
    "tuple[float, float, float]": ("a list of numbers", _all(_number)),
    "Mapping[str, Any]": ("an object", lambda value: isinstance(value, Mapping)),
}


def made(kind: type[T], entries: Any, origin: str, name: str = "") -> T:
    """An instance of a dataclass from the values of a JSON object.

    Args:
        kind: a dataclass; fields of other types than those known here are left to it.
        entries: the values by field; lists become tuples.
        origin: names the file in errors.
        name: of the entry that the object is in, for errors; empty at the top.

    Raises:
        BundleError: a field is missing, unknown, of another type or against its rule.
    """
    if not isinstance(entries, Mapping):
        raise BundleError(origin, f"{name or 'the card'} must be an object, not {_short(entries)}")
    begin = f"{name}." if name else ""
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    problems = [f"{begin}{key} is not known" for key in entries if key not in fields]
    for key, field in fields.items():
        if key not in entries:
            if field.default is dataclasses.MISSING is field.default_factory:
                problems.append(f"{begin}{key} is missing")
            continue
        what, fits = _RULES.get(str(field.type), ("", lambda _: True))
        if not fits(entries[key]):
            problems.append(f"{begin}{key} must be {what}, not {_short(entries[key])}")
    if problems:
        raise BundleError(origin, "not a valid card: " + "; ".join(problems))
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()
    }
    try:
        return kind(**values)
    except ConfigurationError as error:
        raise BundleError(
            origin, "not a valid card: " + "; ".join(begin + each for each in error.problems)
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
