"""Earlier names of options (``option(…, formerly=…)``): taken, and the name of today is named."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from anysize.core.options import Declared, Options, declared

_log = logging.getLogger("anysize")

_Kind = TypeVar("_Kind", bound=Options)


def takes_earlier_names(kind: type[_Kind]) -> type[_Kind]:
    """Decorates a dataclass of options, so that it can be made with earlier names as well."""
    made = kind.__init__

    @functools.wraps(made)
    def init(self: _Kind, **values: Any) -> None:
        made(self, **current(kind, values))

    kind.__init__ = init  # type: ignore[method-assign, assignment]
    return kind


def current(kind: type[Options], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of options by the names of today.

    Args:
        kind: the dataclass that declares them.
        values: by name; strange names stay as they are.
    """
    renamed = {one.rules.formerly: one.name for one in declared(kind) if one.rules.formerly}
    return {_today(name, renamed): value for name, value in values.items()}


def current_flags(options: Iterable[Declared], args: Sequence[str]) -> list[str]:
    """The arguments of a command with the flags of today."""
    renamed = {"--" + one.rules.formerly: one.flag or "" for one in options if one.rules.formerly}
    stop = args.index("--") if "--" in args else len(args)
    words = (word.partition("=") for word in args[:stop])
    named = ["".join((_today(flag, renamed), sign, value)) for flag, sign, value in words]
    return [*named, *args[stop:]]


def _today(name: str, renamed: Mapping[str, str]) -> str:
    if name not in renamed:
        return name
    _log.warning("%s is now called %s", name, renamed[name])
    return renamed[name]
