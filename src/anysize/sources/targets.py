"""Targets of a whole source, without building its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from anysize.core.errors import DataError
from anysize.core.progress import counted
from anysize.core.records import Source


def targets(source: Source) -> Iterator[str | None]:
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


def target_counts(source: Source) -> dict[str, int]:
    """How many records have each target, by target in sorted order; those without are left out."""
    found = counted(targets(source), f"reading the targets of {source.name}", len(source))
    counts = Counter(target for target in found if target is not None)
    return dict(sorted(counts.items()))
