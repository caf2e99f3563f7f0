"""Names that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__``.

    Args:
        package: its dotted name.
        homes: the module that has each public name, from the package's root (``sources.columns``).
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"anysize.{homes[name]}"), name)

    return attribute


def named(place: str) -> Any:
    """What a place names, ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
