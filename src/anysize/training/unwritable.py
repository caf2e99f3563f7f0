"""Texts of a recipe that its file cannot hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from anysize.core.errors import ConfigurationError
from anysize.training.recipe import Recipe


def refuse_unwritable(recipe: Recipe, name: str) -> None:
    """Refuses names of files that are not UTF-8: the recipe's file must name them, and is UTF-8.

    Args:
        recipe: that is going to be written.
        name: of its file.

    Raises:
        ConfigurationError: every such name at once.
    """
    problems = [
        f"{item.name} must be in UTF-8, because {name} names it, not {text!r}: rename it, or "
        "link to it by another name"
        for item in dataclasses.fields(recipe)
        for text in _texts(getattr(recipe, item.name))
        if not _is_unicode(text)
    ]
    if problems:
        raise ConfigurationError(problems)


def _texts(value: object) -> Iterator[str]:
    """Every text in an option's value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.items()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
