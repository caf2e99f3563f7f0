"""What the targets of a dataset are: labels with their counts, or numbers with their range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from anysize.evaluation.sketches import Numbers
from anysize.heads.numbers import Moments

MOST_LABELS = 100_000


@dataclass(slots=True)
class TargetCounts:
    """Counts targets in bounded memory.

    Attributes:
        labels: records by label, of at most 100,000 different ones; a record that has several is
            counted by each.
        unlabelled: records without a target.
    """

    labels: Counter[str] = field(default_factory=Counter)
    unlabelled: int = 0
    _moments: Moments = field(default_factory=Moments)
    _places: dict[Hashable, int] = field(default_factory=dict)

    def add(self, target: Hashable) -> int:
        """Counts a record's target; gives the target's number, -1 for none and beyond the limit."""
        if target is None:
            self.unlabelled += 1
            return -1
        if isinstance(target, float | int):
            self._moments.add(target)
        else:
            self._count(target if isinstance(target, tuple) else (target,))
        if target in self._places or len(self._places) < MOST_LABELS:
            return self._places.setdefault(target, len(self._places))
        return -1

    def _count(self, labels: tuple[object, ...]) -> None:
        for label in map(str, labels):
            if label in self.labels or len(self.labels) < MOST_LABELS:
                self.labels[label] += 1

    def ordered(self) -> Mapping[str, int]:
        """Records by label, the most frequent first."""
        return dict(self.labels.most_common())

    def numbers(self) -> Numbers | None:
        """Range, mean and deviation of targets that are numbers; None where there are none."""
        deviation = self._moments.deviation
        if not self._moments.count:
            return None
        return Numbers(
            low=self._moments.low,
            high=self._moments.high,
            mean=self._moments.mean,
            deviation=deviation,
        )
