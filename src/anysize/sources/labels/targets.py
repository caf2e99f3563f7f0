"""Targets of a whole source, without building its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from anysize.core.errors import DataError
from anysize.core.progress import counted
from anysize.core.records import Source


def targets(source: Source) -> Iterator[Any]:
    """Every record's target in order; None where it has none or cannot be read.

    A source with a method ``targets()`` gives its own.
    """
    own = getattr(source, "targets", None)
    if own is not None:
        yield from own()
        return
    for index in range(len(source)):
        try:
            yield source[index].target
        except DataError:
            yield None


def spellings(source: Source) -> Iterator[str | None]:
    """Every record's label as it is written in the data; empty where it has none.

    None where the record cannot be read. A source with a method ``spellings()`` gives its own; of
    others the targets are taken.
    """
    own = getattr(source, "spellings", None)
    if own is not None:
        yield from own()
        return
    for target in targets(source):
        yield target if isinstance(target, str) else ""


def target_counts(source: Source) -> dict[str, int]:
    """How many records have each target, by target in sorted order; those without are left out."""
    found = counted(targets(source), f"reading the targets of {source.name}", len(source))
    counts = Counter(target for target in found if target is not None)
    return dict(sorted(counts.items()))
