"""Answers marked in their context, for the report."""

from __future__ import annotations

import itertools
from typing import Any

from anysize.core.errors import AnysizeError
from anysize.core.records import Record, Source
from anysize.evaluation.answer_result import Shown
from anysize.tasks.answer_columns import CONTEXT, QUESTION
from anysize.tasks.answer_targets import wanted

_AROUND = 120
_QUESTION = 300


def shown(each: Shown, source: Source) -> dict[str, Any]:
    """A question with excerpts of its context; the reason where it cannot be read again.

    An excerpt is a list of parts ``(text, kind)``; a part is of kind ``right`` where a right answer
    is, ``given`` where the model's is, ``both``, or empty.
    """
    entries: dict[str, Any] = {"each": each, "question": "", "excerpts": []}
    try:
        record = source[each.index]
        if QUESTION.role in record.fields:
            entries["question"] = record.text(QUESTION.role).read(0, _QUESTION)
        entries["excerpts"] = _excerpts(record, each)
    except AnysizeError as error:
        entries["excerpts"] = [[(str(error), "")]]
    return entries


def _excerpts(record: Record, each: Shown) -> list[list[tuple[str, str]]]:
    target = wanted(record, CONTEXT.role)
    chosen = None if target is None else target.chosen
    right = None if chosen is None else (chosen.start, chosen.stop)
    places = sorted({place for place in (right, each.place) if place is not None})
    if not places:
        return [_parts(record, 0, 2 * _AROUND, None, None)]
    near = places[-1][0] - places[0][1] <= 2 * _AROUND
    groups = [places] if near else [[place] for place in places]
    return [
        _parts(
            record,
            max(group[0][0] - _AROUND, 0),
            max(stop for _, stop in group) + _AROUND,
            right,
            each.place,
        )
        for group in groups
    ]


def _parts(
    record: Record,
    begin: int,
    end: int,
    right: tuple[int, int] | None,
    given: tuple[int, int] | None,
) -> list[tuple[str, str]]:
    """The characters ``[begin, end)`` of the context, cut where a mark begins or ends."""
    text = record.text(CONTEXT.role).read(begin, end)
    end = begin + len(text)
    cuts = {begin, end}
    for place in (right, given):
        cuts |= {min(max(at, begin), end) for at in place or ()}
    ordered = sorted(cuts)
    return [
        (text[start - begin : stop - begin], _kind(start, right, given))
        for start, stop in itertools.pairwise(ordered)
    ]


def _kind(at: int, right: tuple[int, int] | None, given: tuple[int, int] | None) -> str:
    is_right = right is not None and right[0] <= at < right[1]
    is_given = given is not None and given[0] <= at < given[1]
    return "both" if is_right and is_given else "right" if is_right else "given" * is_given
