"""TOML as recipes need it: reading with the standard library, writing plain values."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f",
            "\r": "\\r"}  # fmt: skip


def read(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        DataError: it cannot be read, is not UTF-8 or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"TOML must be UTF-8: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(str(path), f"not valid TOML: {error}") from error


def dumps(entries: Mapping[str, Any]) -> str:
    """A TOML 1.0 document: scalars and arrays first, then one table per mapping."""
    plain = [
        f"{_key(name)} = {_value(value)}"
        for name, value in entries.items()
        if not isinstance(value, Mapping)
    ]
    for name, value in entries.items():
        if isinstance(value, Mapping) and value:
            plain += ["", f"[{_key(name)}]"]
            plain += [f"{_key(inner)} = {_value(item)}" for inner, item in value.items()]
    return "\n".join(plain) + "\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"no TOML form for {type(value).__name__}")


def _string(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\u{ord(character):04X}"
    return character
