"""Modalities: texts, pictures, numbers. One file each; what it needs besides is in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from anysize.core import plugins
from anysize.core.options import declared

if TYPE_CHECKING:
    from anysize.core.records import Field
    from anysize.modalities.protocols import Modality
    from anysize.modalities.settings import Settings


@cache
def load(key: str) -> Modality:
    """A modality by its key.

    Raises:
        ConfigurationError: no such modality; near names are suggested.
    """
    return cast("Modality", plugins.load("modalities", key).make(key))


def foreign(settings: Settings, wishes: Mapping[str, Any]) -> list[str]:
    """What is wrong with wishes for the windows of a model: those that are of other modalities.

    Args:
        settings: of the model.
        wishes: by name; None leaves an option as it is.
    """
    own = _names(settings.modality)
    found = []
    for name, value in wishes.items():
        if value is None or value is False or name in own:
            continue
        readers = [load(key) for key in plugins.keys("modalities") if name in _names(key)]
        *most, last = sorted(one.settings.content for one in readers)
        contents = f"{', '.join(most)} and {last}" if most else last
        hint = load(settings.modality).instead.get(name)
        found.append(
            f"{name} is for {contents}, and this model reads {settings.content}"
            + ("" if hint is None else f"; {hint} is the counterpart")
        )
    return found


@cache
def is_content(kind: str) -> bool:
    """Whether a kind of column becomes a field that is read: whether it is a modality."""
    return kind != "target" and plugins.has("modalities", kind)


def of_field(field: Field) -> Modality | None:
    """The modality of a field; None where none knows it."""
    every = map(load, plugins.keys("modalities"))
    return next((one for one in every if one.owns(field)), None)


@cache
def file_suffixes() -> frozenset[str]:
    """Of files whose whole content is one field, of all modalities."""
    return frozenset().union(*(load(key).suffixes for key in plugins.keys("modalities")))


def _names(key: str) -> set[str]:
    """The options of a modality."""
    return {one.name for one in declared(load(key).options)}


def modality_of(settings: Settings) -> Modality:
    """The modality of a model's settings."""
    return load(settings.modality)
