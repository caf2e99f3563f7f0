"""Where the stretches of a document that a result names lie: pages, chapters, sections.

A stretch is a mapping with ``start`` and ``end`` in characters, anywhere in a prediction or its
details, or the details themselves: an entity, an answer, a passage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from anysize.core.results import Result

Finder: TypeAlias = Callable[[int, int], Mapping[str, Any]]


def located(result: Result, place: Finder | None) -> Result:
    """The result with the place of each stretch beside its ``start`` and ``end``.

    Args:
        result: of a record.
        place: where characters ``[start, end)`` of it lie; None leaves the result as it is.
    """
    if place is None:
        return result
    prediction, details = _located(result.prediction, place), _located(result.details, place)
    return replace(result, prediction=prediction, details=details)


def _located(value: Any, place: Finder) -> Any:
    if isinstance(value, Mapping):
        found = {name: _located(each, place) for name, each in value.items()}
        start, end = value.get("start"), value.get("end")
        if type(start) is int and type(end) is int:
            found |= {name: at for name, at in place(start, end).items() if name not in found}
        return found
    # Long lists are of numbers: vectors, probabilities.
    if isinstance(value, list) and value and isinstance(value[0], Mapping | list):
        return [_located(each, place) for each in value]
    return value
