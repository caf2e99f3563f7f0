"""Options of a built-in model, from the texts of the command line and of recipes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def defaults_of(builder: Callable[..., Any]) -> dict[str, Any]:
    """The options that a constructor has, with their defaults."""
    parameters = inspect.signature(builder).parameters.items()
    empty = inspect.Parameter.empty
    return {name: each.default for name, each in parameters if each.default is not empty}


def read_options(
    key: str, given: Mapping[str, str], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Texts as values of the same types as the defaults, and what is wrong with them.

    Args:
        key: the model's name, for the sentences.
        given: the texts by option.
        defaults: of all options that there are: numbers, texts, or tuples of whole numbers, which
            are written with ``x`` between (``32x64``).

    Returns:
        The values of those given that are right, and one sentence for each of the others.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, text in given.items():
        if name not in defaults:
            known = ", ".join(sorted(defaults))
            problems.append(f"model {key!r} has no option {name!r}; it has: {known}")
            continue
        default = defaults[name]
        try:
            if isinstance(default, tuple):
                values[name] = tuple(map(int, text.split("x")))
            else:
                values[name] = type(default)(text)
        except ValueError:
            problems.append(
                f"option {name!r} of model {key!r} must be {_wanted(default)}, not {text!r}"
            )
    return values, problems


def _wanted(default: Any) -> str:
    if isinstance(default, tuple):
        return "numbers with x between"
    return "a whole number" if isinstance(default, int) else "a number"
