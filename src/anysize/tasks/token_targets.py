"""What data say of the words of a text: a tag for each word, or stretches of characters.

In a table a target is one of

- a list of tags, one for each word (``["B-PER", "O"]``), or the same with blanks between them; the
  words are those of the column of words, or what blanks divide the text into;
- a list of objects ``{"start": 0, "end": 4, "label": "PER"}``, or of lists in that order. ``start``
  and ``end`` count characters of the text; ``end`` is the one after the last.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anysize.core.entities import OUTSIDE, Entity, Tag, entities_of
from anysize.core.errors import DataError
from anysize.core.records import TextField

_LABELS = ("label", "entity", "entity_group", "type", "tag", "class")
_STARTS = ("start", "begin", "start_offset", "start_char")
_ENDS = ("end", "stop", "end_offset", "end_char")
_WORD = re.compile(r"\w+|[^\w\s]")


def reading(cell: str) -> str | None:
    """A cell of tags or entities as it is kept; None where it says nothing."""
    return cell.strip() or None


def labels_in(target: Any, origin: str) -> set[str]:
    """The labels that a target names.

    Raises:
        DataError: it is not a list of tags or entities.
    """
    items = _items(target, origin)
    if _are_tags(items, origin):
        return {Tag.of(tag).label for tag in items if tag != OUTSIDE}
    return {_entity(item, origin).label for item in items}


def entities_in(target: Any, text: TextField) -> tuple[Entity, ...]:
    """The entities of a text, in order.

    Args:
        target: as it is in the data.
        text: that it belongs to; read where the target is tags.

    Raises:
        DataError: no tags or entities, as many tags as there are no words, or entities that overlap
            or are not inside the text.
    """
    origin = text.origin
    items = _items(target, origin)
    if _are_tags(items, origin):
        return _of_tags(items, text)
    found = sorted(_entity(item, origin) for item in items)
    for one in found:
        if not 0 <= one.start < one.stop <= text.size_hint:
            raise DataError(
                origin,
                f"the entity {one.label!r} is from character {one.start} to {one.stop}, which is "
                f"not inside the text of {text.size_hint} characters",
            )
    for one, other in itertools.pairwise(found):
        if other.start < one.stop:
            raise DataError(
                origin,
                f"the entities {one.label!r} ({one.start} to {one.stop}) and {other.label!r} "
                f"({other.start} to {other.stop}) overlap: a word can have one label; keep one of "
                "them",
            )
    return tuple(found)


def words_of(chunks: Iterator[str]) -> int:
    """About how many words a text has: runs of letters and digits, and other characters."""
    return sum(sum(1 for _ in _WORD.finditer(chunk)) for chunk in chunks)


def _of_tags(tags: Sequence[str], text: TextField) -> tuple[Entity, ...]:
    words = [(found.start(), found.end()) for found in re.finditer(r"\S+", "".join(text.chunks()))]
    if len(words) != len(tags):
        raise DataError(
            text.origin,
            f"there are {len(tags)} tags and {len(words)} words: each word needs a tag, and words "
            "are what blanks divide the text into",
        )
    return entities_of(words, tags)


def _items(target: Any, origin: str) -> list[Any]:
    if isinstance(target, str):
        text = target.strip()
        if not text.startswith("["):
            return text.split()
        try:
            target = json.loads(text)
        except ValueError as error:
            raise DataError(origin, f"its tags are not a list that can be read: {error}") from None
    if not isinstance(target, list | tuple):
        raise DataError(origin, "nothing says which words have which label")
    return list(target)


def _are_tags(items: Sequence[Any], origin: str) -> bool:
    """Whether these are tags and not entities.

    Raises:
        DataError: they are numbers.
    """
    if items and all(isinstance(item, int | float) for item in items):
        raise DataError(
            origin,
            f"its tags are numbers ({items[0]}, …), and nothing says what they mean: write their "
            "names (B-PER, I-PER, O, …) in their place",
        )
    return bool(items) and all(isinstance(item, str) for item in items)


def _entity(item: Any, origin: str) -> Entity:
    if isinstance(item, Mapping):
        values = [
            next((item[name] for name in names if name in item), None)
            for names in (_STARTS, _ENDS, _LABELS)
        ]
    elif isinstance(item, list | tuple) and len(item) == 3:
        values = list(item)
    else:
        values = []
    if len(values) == 3 and not isinstance(values[2], str | list | dict | None):
        values[2] = str(values[2])
    start, stop, label = values or (None, None, None)
    if not isinstance(start, int) or not isinstance(stop, int) or not isinstance(label, str):
        shown = json.dumps(item, ensure_ascii=False, default=str)
        raise DataError(
            origin,
            f"an entity needs a start, an end and a label (start, end, label), and one is "
            f"{shown:.80}",
        )
    return Entity(start, stop, label)
