"""Finding plug-ins: by the files of a room, and by entry points of the same names.

A plug-in is a module of a room (``anysize.tasks``, ``anysize.models``, …) that says at top level
which keys it provides::

    PROVIDES = ("resnet18", "resnet34", "resnet50")

The keys are read from the source text, so listing a room imports nothing. A module is imported
when one of its keys is asked for. Third parties add keys through the entry point group of the
room's name (``anysize.tasks``); an entry point loads to a module of the same form.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

# To the next line that begins something else at top level.
_PROVIDES = re.compile(r"^PROVIDES *= *(.+?)\s*(?=^[^\s)\]]|\Z)", re.MULTILINE | re.DOTALL)

# What a key is called where the room's name is no plural of it.
_NOUNS = {
    "compression": "method",
    "evaluation": "evaluation of task",
    "export": "format",
    "modalities": "modality",
    "readers.documents": "document format",
    "scale": "engine",
}


@cache
def keys(room: str) -> dict[str, str]:
    """Every key of a room and the module (dotted name) that provides it, sorted by key."""
    found = dict(_own(room))
    for point in _entry_points(room):
        found.setdefault(point.name, f"entry point {point.value}")
    return dict(sorted(found.items()))


def has(room: str, key: object) -> bool:
    """Whether a room has a key; what a file has in its place may be anything.

    Other packages are only asked for keys that are not our own.
    """
    return isinstance(key, str) and (key in _own(room) or key in keys(room))


@cache
def _own(room: str) -> dict[str, str]:
    """The keys of this package and their modules; finding out those of others takes far longer."""
    found: dict[str, str] = {}
    spec = find_spec(f"anysize.{room}")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"no room named {room!r}")
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).glob("*.py")):
            for key in provided(path):
                found[key] = f"anysize.{room}.{path.stem}"
    return found


def declaring(room: str, name: str) -> tuple[str, ...]:
    """The keys of a room whose modules assign ``name`` at top level, found without importing them.

    The keys of other packages are all among them: their source is not looked into.
    """
    assigned = re.compile(rf"^{name}\b[^\n=]*=", re.MULTILINE)

    def declares(module: str) -> bool:
        spec = None if module.startswith("entry point ") else find_spec(module)
        if spec is None or spec.origin is None:
            return True
        return assigned.search(Path(spec.origin).read_text(encoding="utf-8")) is not None

    return tuple(key for key, module in keys(room).items() if declares(module))


def declared(room: str, key: str, name: str) -> str | None:
    """The string that the module of a key assigns to ``name`` at top level, read without importing.

    None where it assigns none, and for the keys of other packages.
    """
    spec = find_spec(_own(room)[key]) if key in _own(room) else None
    if spec is None or spec.origin is None:
        return None
    assigned = re.compile(rf'^{name} *= *"([^"\n]*)"', re.MULTILINE)
    found = assigned.search(Path(spec.origin).read_text(encoding="utf-8"))
    return None if found is None else found[1]


def summary(module: str) -> str:
    """The first sentence of a plug-in's docstring, read without importing it."""
    spec = None if module.startswith("entry point ") else find_spec(module)
    if spec is None or spec.origin is None:
        return module
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def load(room: str, key: str) -> ModuleType:
    """The module that provides ``key``.

    Raises:
        ConfigurationError: no plug-in of that name; near names are suggested.
    """
    own = _own(room).get(key)
    if own is not None:
        return importlib.import_module(own)
    known = keys(room)
    if key not in known:
        import difflib

        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        noun = _NOUNS.get(room, room.removesuffix("s"))
        raise ConfigurationError(f"{noun} {key!r} is not known{hint} Known: {', '.join(known)}")
    (point,) = (point for point in _entry_points(room) if point.name == key)
    module = point.load()
    if not isinstance(module, ModuleType):
        raise ConfigurationError(f"{known[key]} of {room} must be a module, not {module!r}")
    return module


def _entry_points(room: str) -> list[EntryPoint]:
    """What installed packages add to a room."""
    return list(_installed(tuple(sys.path)).select(group=f"anysize.{room}"))


@cache
def _installed(_places: tuple[str, ...]) -> EntryPoints:
    """All entry points; finding them looks into every installed package, so it is done once."""
    from importlib import metadata  # a third of this module's import time

    return cast("EntryPoints", metadata.entry_points())


def provided(path: Path) -> tuple[str, ...]:
    """The keys of a module. Only their statement is parsed: parsing whole rooms takes longer."""
    found = _PROVIDES.search(path.read_text(encoding="utf-8"))
    return () if found is None else tuple(ast.literal_eval(found[1]))
