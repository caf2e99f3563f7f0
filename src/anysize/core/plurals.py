"""Counts with the word that fits them."""

from __future__ import annotations


def number_of(count: int, singular: str, plural: str | None = None) -> str:
    """A count and its noun: ``1 record has``, ``1,200 records have``.

    Args:
        count: how many.
        singular: the noun, or the words behind the count.
        plural: the same for another count; with an ``s`` more if it is not given.
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def none_of(count: int, singular: str) -> str:
    """None of so many: ``no record (1 in all)``."""
    return f"no {singular} ({count:,} in all)"
