"""Distributions and duplicates of any number of values in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_GROWTH = 1.02
_EXAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A summary of whole numbers that are not negative.

    Attributes:
        quantiles: value by share, within 1 % (below 50 exact).
        histogram: ``(low, high, count)`` of values in ``[low, high]``: 0, 1, 2, 3 to 4, 5 to 8
            and so on, from the first occupied bin to the last.
    """

    count: int
    total: int
    smallest: int
    largest: int
    quantiles: dict[float, int]
    histogram: tuple[tuple[int, int, int], ...]

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "total": self.total,
            "mean": self.mean,
            "min": self.smallest,
            "max": self.largest,
            **{f"p{100 * share:g}": value for share, value in self.quantiles.items()},
            "histogram": [
                {"low": low, "high": high, "count": count} for low, high, count in self.histogram
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The values of a feature or a target over all records and steps."""

    low: float
    high: float
    mean: float
    deviation: float


class LengthSketch:
    """Counts values in bins that grow by 2 %, so that a quantile is off by 1 % at most.

    After Masson, Rim and Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with
    relative-error guarantees". Values up to 2^63 take fewer than 2,300 bins.
    """

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self._doubling: Counter[int] = Counter()
        self._count = 0
        self._total = 0
        self._smallest: int | None = None
        self._largest = 0

    def add(self, value: int) -> None:
        """Adds one value, which must not be negative."""
        self._count += 1
        self._total += value
        self._largest = max(self._largest, value)
        if self._smallest is None or value < self._smallest:
            self._smallest = value
        self._bins[math.ceil(math.log(value, _GROWTH)) if value else -1] += 1
        self._doubling[(value - 1).bit_length() if value else -1] += 1

    def distribution(self) -> Distribution:
        """The values so far."""
        smallest = self._smallest or 0
        keys = range(min(self._doubling, default=0), max(self._doubling, default=-1) + 1)
        return Distribution(
            count=self._count,
            total=self._total,
            smallest=smallest,
            largest=self._largest,
            quantiles={share: self._quantile(share, smallest) for share in QUANTILES},
            histogram=tuple((*_bounds(key), self._doubling[key]) for key in keys),
        )

    def _quantile(self, share: float, smallest: int) -> int:
        rank, seen = share * (self._count - 1), 0
        for key in sorted(self._bins):
            seen += self._bins[key]
            if seen > rank:
                middle = round(2 * _GROWTH**key / (_GROWTH + 1)) if key >= 0 else 0
                return min(max(middle, smallest), self._largest)
        return 0


def _bounds(key: int) -> tuple[int, int]:
    if key < 0:
        return 0, 0
    return (1 if key == 0 else (1 << (key - 1)) + 1), 1 << key


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Records whose content occurs more than once.

    Attributes:
        copies: records over and above the first of each content.
        conflicting: contents that occur with more than one label.
        exact: False where there were too many different contents to count them all, and the
            numbers are estimated from an unbiased sample.
        examples: ``(index, index)`` of a first occurrence and a copy.
    """

    copies: int
    conflicting: int
    exact: bool
    examples: tuple[tuple[int, int], ...]


class DuplicateSketch:
    """Counts copies by 64-bit hashes of content.

    Exact up to ``capacity`` different contents. Beyond, only contents whose hash ends in so many
    zero bits are followed (adaptive sampling, Flajolet 1990), all their copies included, so the
    counts scale back without bias. Memory is about 48 bytes times ``capacity``.
    """

    def __init__(self, capacity: int = 1 << 20) -> None:
        self._capacity = capacity
        self._hashes = np.empty(2 * capacity, dtype=np.uint64)
        self._labels = np.empty(2 * capacity, dtype=np.int32)
        self._indices = np.empty(2 * capacity, dtype=np.int64)
        self._counts = np.empty(2 * capacity, dtype=np.int32)
        self._used = 0
        self._level = 0
        self._conflicts: set[int] = set()
        self._examples: dict[int, tuple[int, int]] = {}

    def add(self, digest: int, label: int, index: int) -> None:
        """Adds a record: its content's hash, its label's number (-1: none), its position."""
        if digest & ((1 << self._level) - 1):
            return
        self._hashes[self._used] = digest
        self._labels[self._used] = label
        self._indices[self._used] = index
        self._counts[self._used] = 1
        self._used += 1
        if self._used == len(self._hashes):
            self._compress()

    def _compress(self) -> None:
        """Joins records of the same content, and thins contents out while there are too many."""
        if not self._used:
            return
        hashes = self._hashes[: self._used]
        # Stable, and what is joined already comes first: the first occurrence stays first.
        order = np.argsort(hashes, kind="stable")
        ranked = hashes[order]
        first = np.ones(len(ranked), dtype=bool)
        first[1:] = ranked[1:] != ranked[:-1]
        self._note(ranked, order, first)
        counts = np.add.reduceat(self._counts[order], np.flatnonzero(first))
        kept = order[first]
        while len(kept) > self._capacity:
            self._level += 1
            mask = (1 << self._level) - 1
            stays = hashes[kept] & np.uint64(mask) == 0
            kept, counts = kept[stays], counts[stays]
            self._conflicts = {digest for digest in self._conflicts if not digest & mask}
        size = len(kept)
        for array in (self._hashes, self._labels, self._indices):
            array[:size] = array[kept]
        self._counts[:size] = counts
        self._used = size

    def _note(
        self, ranked: NDArray[np.uint64], order: NDArray[np.intp], first: NDArray[np.bool_]
    ) -> None:
        """Remembers contents with conflicting labels, and a few examples of copies."""
        owners = order[first][np.cumsum(first) - 1]
        copies = np.flatnonzero(~first)
        one, two = self._labels[owners[copies]], self._labels[order[copies]]
        differs = copies[(one != two) & (one >= 0) & (two >= 0)]
        self._conflicts.update(ranked[differs].tolist())
        for place in copies[:_EXAMPLES]:
            if len(self._examples) < _EXAMPLES:
                pair = (int(self._indices[owners[place]]), int(self._indices[order[place]]))
                self._examples.setdefault(int(ranked[place]), pair)

    def duplicates(self) -> Duplicates:
        """What was found so far."""
        self._compress()
        scale = 1 << self._level
        return Duplicates(
            copies=int(self._counts[: self._used].sum() - self._used) * scale,
            conflicting=len(self._conflicts) * scale,
            exact=self._level == 0,
            examples=tuple(sorted(self._examples.values())),
        )
