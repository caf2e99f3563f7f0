"""Heads, one file each: what is learned of a record, from its target to the prediction.

A head has the name that transformers' ``problem_type`` gives it. Other keys of its module are short
for it: ``--head`` takes them as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError

if TYPE_CHECKING:
    from anysize.heads.protocols import Family, Head

SINGLE = "single_label_classification"
"""The head of a card that names none."""
METRIC = "metric"
"""In a card's entries the metric of validation, where it is not the head's own."""


def load(name: str) -> Head:
    """A head that has not seen data yet.

    Raises:
        ConfigurationError: no such head.
    """
    return cast("Head", plugins.load("heads", name).make())


def check_options(head: Head, options: Iterable[str], own: Iterable[str]) -> None:
    """Refuses options that do nothing for a head.

    Args:
        head: what they were given for.
        options: names of those that were given.
        own: names of those that it has.

    Raises:
        ConfigurationError: one that it does not have.
    """
    strange = [name for name in options if name not in own]
    if strange:
        raise ConfigurationError(
            [f"{each} has no effect on the head {head.name}" for each in strange]
        )


def of_family(family: Family) -> Iterator[Head]:
    """Every head of a family, each once."""
    return (head for head in map(load, names()) if head.family == family)


def names() -> tuple[str, ...]:
    """The name of every head."""
    return tuple(key for key in plugins.keys("heads") if load(key).name == key)


def short_names() -> tuple[str, ...]:
    """The keys that are short for a head's name."""
    known = names()
    return tuple(key for key in plugins.keys("heads") if key not in known)


def of(entries: Mapping[str, Any], origin: str = "the card") -> Head:
    """The head that a card describes (`Head.to_json`); without entries the one of one label.

    Args:
        entries: ``name`` and what the head learned.
        origin: names the file in errors.

    Raises:
        BundleError: no such head, or entries that do not fit it.
    """
    if not entries:
        return load(SINGLE)
    name = entries.get("name")
    if not isinstance(name, str):
        raise BundleError(origin, f"not a valid card: head.name must be a text, not {name!r}")
    values = {key: value for key, value in entries.items() if key not in ("name", METRIC)}
    try:
        return cast("Head", plugins.load("heads", name).read(values, origin))
    except ConfigurationError as error:
        raise BundleError(origin, f"its card names a head that is not here: {error}") from error


def described(head: Head, metric: str = "") -> dict[str, Any]:
    """What a card says of a head; nothing of the head of one label, as cards always did."""
    entries = dict(head.to_json())
    if metric not in ("", head.main_metric):
        entries[METRIC] = metric
    return {} if head.name == SINGLE and not entries else {"name": head.name, **entries}
