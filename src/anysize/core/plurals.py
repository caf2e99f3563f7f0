"""Counts with the word that fits them."""

from __future__ import annotations


def number_of(count: int, singular: str, plural: str) -> str:
    """A count and its noun: ``1 record has``, ``1,200 records have``."""
    return f"{count:,} {singular if count == 1 else plural}"
