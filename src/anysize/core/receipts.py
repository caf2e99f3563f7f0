"""Receipts: what was read of an input, and how true the merged result is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

Fidelity: TypeAlias = Literal["exact", "local", "approximate"]
_FIDELITIES = ("exact", "local", "approximate")  # the truest first
Unit: TypeAlias = str
"""What an extent counts, in the plural: ``tokens``, ``pixels``, ``samples``, ``steps``, …."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What reading a record showed beside its content.

    Attributes:
        notes: plain sentences: a repair, a gap that was filled, frames that were not read.
        counts: how many of what the input holds (``pages``, ``pages_read``, ``unknown_tokens``).
        unread: how much of the extent, in its unit, no window saw although some window owned it.
        reason: why, where ``unread`` is above 0.
        place: of a document that knows its pages or chapters: where characters ``[start, stop)``
            lie, by name (``{"page": 7}``).
    """

    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0
    reason: str | None = None
    place: Callable[[int, int], Mapping[str, Any]] | None = None

    def joined(self, other: Facts | None) -> Facts:
        """Both together; of the same count, the other's."""
        if other is None:
            return self
        reasons = [one for one in (self.reason, other.reason) if one]
        return Facts(
            notes=tuple(dict.fromkeys([*self.notes, *other.notes])),
            counts={**self.counts, **other.counts},
            unread=self.unread + other.unread,
            reason="; ".join(reasons) or None,
            place=self.place or other.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was read to make one result.

    Attributes:
        extent: the input's size in ``unit``; a picture's is width times height.
        unit: what the extent counts.
        windows: how many model calls it took.
        covered: the part of the extent that some window owned; 1.0 unless ``reason`` says why.
        dropped: units that no window read.
        merge: the merge rule's name.
        fidelity: ``exact`` equals the model on the whole input at once, up to floating point;
            ``local`` is exact inside each core up to a measured error; ``approximate``
            is everything else, full-attention windows above all.
        shape: ``[width, height]`` for pictures, of each of their pages; else None, as for pages of
            different sizes.
        tile: ``[width, height]``, in pixels of the picture, of the tiles that it was cut into; None
            where it was not.
        reason: why ``covered`` is below 1.0.
        counts: how many of what the input holds: ``pages``, ``unknown_tokens``, …; None where
            there is nothing to count beside the extent.
        notes: what was repaired, guessed or not read, in plain sentences.
        rounds: where what the windows gave was read again as a new input (partial summaries, to be
            summarised), the receipts of those further rounds, in order. ``windows``, ``covered``,
            ``reason`` and ``fidelity`` are then of all rounds together.
    """

    extent: int
    unit: Unit
    windows: int
    covered: float
    dropped: int
    merge: str
    fidelity: Fidelity
    shape: tuple[int, ...] | None = None
    tile: tuple[int, ...] | None = None
    reason: str | None = None
    counts: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    rounds: tuple[Receipt, ...] = ()

    def with_facts(self, facts: Facts) -> Receipt:
        """The same receipt with what reading the record showed."""
        dropped = min(self.dropped + facts.unread, self.extent)
        covered = self.covered
        if facts.unread and self.extent:
            covered = max(covered - facts.unread / self.extent, 0.0)
        reasons = [one for one in (self.reason, facts.reason) if one]
        return replace(
            self,
            covered=covered,
            dropped=dropped,
            reason="; ".join(reasons) or None,
            counts={**(self.counts or {}), **facts.counts} or None,
            notes=(*self.notes, *facts.notes),
        )

    def with_rounds(self, later: Sequence[Receipt]) -> Receipt:
        """The receipt of a first round, with those of the rounds that followed it."""
        if not later:
            return self
        every = (self, *later)
        reasons = [self.reason] if self.reason else []
        reasons += [
            f"round {number}: {one.reason}" for number, one in enumerate(later, 2) if one.reason
        ]
        return replace(
            self,
            windows=sum(one.windows for one in every),
            covered=math.prod(one.covered for one in every),
            reason="; ".join(reasons) or None,
            fidelity=max((one.fidelity for one in every), key=_FIDELITIES.index),
            rounds=tuple(later),
        )

    def to_json(self) -> dict[str, object]:
        """JSON-ready; fields that do not apply are left out."""
        entries = {key: value for key, value in asdict(self).items() if value is not None}
        if not self.notes:
            del entries["notes"]
        if self.rounds:
            entries["rounds"] = [one.to_json() for one in self.rounds]
        else:
            del entries["rounds"]
        return entries
