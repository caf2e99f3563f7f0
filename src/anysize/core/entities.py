"""Stretches of a text that have a label: as data mark them, as a tag for each word, as found.

Tags follow the schemes of the field: ``B-`` begins a stretch and ``I-`` continues it (IOB2; Tjong
Kim Sang and Veenstra 1999); ``E-`` or ``L-`` ends one and ``S-`` or ``U-`` is one word long
(BIOES, BILOU); ``O`` is outside of all. How tags that break their scheme are read is what conlleval
and seqeval do: a tag that continues nothing begins a stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

OUTSIDE = "O"

_BEGINS, _ENDS = "BSU", "ELSU"
_PREFIXES = "BIELSU"


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A stretch of a text with a label.

    Attributes:
        start, stop: its characters, half-open.
        label: what it is.
    """

    start: int
    stop: int
    label: str


@dataclass(frozen=True, slots=True)
class Found:
    """An entity as a model finds it.

    Attributes:
        entity: where it is, and what.
        score: the mean probability of its words' tags, 0 to 1.
    """

    entity: Entity
    score: float

    def to_json(self) -> dict[str, Any]:
        """``{"label", "score", "start", "end"}``; ``end`` is the character after the last."""
        return {
            "label": self.entity.label,
            "score": round(self.score, 6),
            "start": self.entity.start,
            "end": self.entity.stop,
        }


class Tag(NamedTuple):
    """A tag in its two parts.

    Attributes:
        kind: ``B``, ``I``, ``E``, ``S`` …; ``O`` outside.
        label: empty outside.
    """

    kind: str
    label: str

    @classmethod
    def of(cls, text: str) -> Tag:
        """The parts of ``B-PER``; a tag without a prefix continues its like."""
        if text == OUTSIDE:
            return cls(OUTSIDE, "")
        if len(text) > 2 and text[1] in "-_" and text[0] in _PREFIXES:
            return cls(text[0], text[2:])
        return cls("I", text)


def begins(tag: Tag, before: Tag) -> bool:
    """Whether a stretch begins with a tag that is not outside, given the tag of the word before."""
    if before.kind == OUTSIDE or before.label != tag.label:
        return True
    return tag.kind in _BEGINS or before.kind in _ENDS


def stretches(tags: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Label, first and last word (inclusive) of each stretch, in order."""
    before, first = Tag(OUTSIDE, ""), 0
    place = -1
    for place, tag in enumerate(map(Tag.of, tags)):
        if before.kind != OUTSIDE and (tag.kind == OUTSIDE or begins(tag, before)):
            yield before.label, first, place - 1
        if tag.kind != OUTSIDE and begins(tag, before):
            first = place
        before = tag
    if before.kind != OUTSIDE:
        yield before.label, first, place


def tag_names(labels: Iterable[str]) -> tuple[str, ...]:
    """The tags of a model for some labels: ``O``, then ``B-`` and ``I-`` of each in order."""
    return (OUTSIDE, *(f"{kind}-{label}" for label in sorted(set(labels)) for kind in "BI"))


def entities_of(words: Sequence[tuple[int, int]], tags: Sequence[str]) -> tuple[Entity, ...]:
    """The entities of a tag for each word.

    Args:
        words: first character of each word and the one after its last.
        tags: as many.
    """
    return tuple(
        Entity(words[first][0], words[last][1], label) for label, first, last in stretches(tags)
    )
