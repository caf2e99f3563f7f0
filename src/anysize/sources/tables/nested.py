"""Objects inside of rows, as columns by dotted path: ``data.review.text``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DEEPEST = 8

PICTURE = frozenset({"bytes", "path"})
"""Fields of the objects that the datasets library keeps pictures and sounds as."""


def flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with the values of the objects in it under dotted paths.

    Objects below the eighth level, empty ones and those of pictures stay what they are.
    """
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    return dict(_leaves(row, "", 1))


def _leaves(row: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and value and depth < _DEEPEST and not is_picture(value):
            yield from _leaves(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", value


def is_picture(cell: Mapping[str, Any]) -> bool:
    """Whether an object holds a picture's bytes, or its path."""
    return cell.keys() == PICTURE
