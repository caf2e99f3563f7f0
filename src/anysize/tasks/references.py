"""The reference summaries of a record: one, or several that people wrote for the same text."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from anysize.core.errors import DataError


def reading(cell: str) -> str | None:
    """A cell of summaries as it is kept; None where it says nothing."""
    return cell.strip() or None


def references(target: Any, origin: str) -> tuple[str, ...]:
    """The reference summaries that a target holds.

    A list of texts is several summaries; one that is a list itself is a summary by its sentences.

    Args:
        target: as it is in the data: a text, a list, or a list as JSON.
        origin: of the record, for messages.

    Raises:
        DataError: something else, or nothing.
    """
    if isinstance(target, str) and target.lstrip().startswith("["):
        with contextlib.suppress(ValueError):  # a summary may begin with a bracket
            target = json.loads(target)
    given = [target] if isinstance(target, str) else target
    if not isinstance(given, list | tuple):
        raise DataError(origin, f"its summary is {target!r:.80}, and must be a text or a list")
    found = []
    for one in given:
        if isinstance(one, list | tuple) and all(isinstance(each, str) for each in one):
            one = "\n".join(each.strip() for each in one)
        if not isinstance(one, str):
            raise DataError(origin, f"one of its summaries is {one!r:.80}, and must be a text")
        if one.strip():
            found.append(one.strip())
    if not found:
        raise DataError(origin, "its summary is empty")
    return tuple(found)
