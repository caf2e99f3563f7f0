"""Division by hash: a record's part follows from its id, and copies follow the first of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Source
from anysize.sources.copies import Copies
from anysize.sources.hashes import id_hashes, mixed
from anysize.sources.identities import HELD_OUT
from anysize.sources.subset import Subset

_BLOCK = 1 << 16
_SMALL = 1000
_TRAINING = np.uint64(2**64 - 1)


def divide(
    source: Source, shares: Sequence[float], seed: int, copies: Copies | None = None
) -> list[Source | None]:
    """The remainder, then a part for each share (of validation, of test), by the hash of ids.

    A share of zero gives None. A part that would come out empty although its share is above zero
    gets the record with the hash nearest to its range, as long as the source has more records than
    parts.

    Args:
        source: divided.
        shares: of the parts, in order.
        seed: of the division.
        copies: records that go where the first of their content goes; those of which there are very
            many stay in the remainder. Without copies the parts are the same as with None.
    """
    size = len(source)
    limits = [_limit(edge) for edge in np.cumsum(shares)]
    keys = _Keys(source, seed, copies)
    extra = _fill(source, keys, limits) if 0 < size < _SMALL else {}

    def part_of(start: int, stop: int) -> NDArray[np.int64]:
        hashes = keys(start, stop)
        parts = np.searchsorted(np.array(limits, dtype=np.uint64), hashes, side="right")
        for index, part in extra.items():
            if start <= index < stop:
                parts[index - start] = part
        return parts

    def subset(part: int, label: str) -> Source:
        return Subset(source, lambda start, stop: part_of(start, stop) == part, label)

    rest = len(shares)
    found: list[Source | None] = [subset(rest, f"{source.name} (training part)")]
    for part, share in enumerate(shares):
        name = f"{source.name} ({HELD_OUT[part]} part)"
        found.append(subset(part, name) if share > 0 else None)
    return found


class _Keys:
    """The hash that decides each record's part.

    Args:
        source: divided.
        seed: of the division.
        copies: records whose hash is that of another.
    """

    def __init__(self, source: Source, seed: int, copies: Copies | None) -> None:
        self._source, self._seed = source, seed
        self._index = np.empty(0, dtype=np.int64)
        self._hash = np.empty(0, dtype=np.uint64)
        if copies is None or not len(copies.index):
            return
        large = copies.large()
        hashes = self._of_firsts(copies.first)
        hashes[large] = _TRAINING
        alone = np.unique(copies.first[large])
        index = np.concatenate([copies.index, alone])
        order = np.argsort(index)
        self._index = index[order]
        self._hash = np.concatenate([hashes, np.full(len(alone), _TRAINING)])[order]

    def __call__(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Of the records ``[start, stop)``."""
        hashes = np.array(mixed(id_hashes(self._source, start, stop), self._seed))
        low, high = np.searchsorted(self._index, [start, stop])
        hashes[self._index[low:high] - start] = self._hash[low:high]
        return hashes

    def _of_firsts(self, firsts: NDArray[np.int64]) -> NDArray[np.uint64]:
        found = np.empty(len(firsts), dtype=np.uint64)
        blocks = firsts // _BLOCK
        for block in np.unique(blocks).tolist():
            start = block * _BLOCK
            stop = min(start + _BLOCK, len(self._source))
            wanted = blocks == block
            hashes = mixed(id_hashes(self._source, start, stop), self._seed)
            found[wanted] = hashes[firsts[wanted] - start]
        return found


def _fill(source: Source, keys: _Keys, limits: Sequence[int]) -> dict[int, int]:
    """Records of a small source that parts get which would else be empty, copies together."""
    hashes = keys(0, len(source)).astype(object)
    parts = [sum(value >= limit for limit in limits) for value in hashes]
    moved: dict[int, int] = {}
    lower = 0
    for part, limit in enumerate([*limits, 1 << 64]):
        if limit > lower and part not in parts and len(source) > len(limits):
            spare = [index for index in range(len(parts)) if parts.count(parts[index]) > 1]
            chosen = min(spare, key=lambda index: abs(int(hashes[index]) - lower))
            for index, value in enumerate(hashes):
                if index == chosen or value == hashes[chosen]:
                    parts[index] = moved[index] = part
        lower = limit
    return moved


def _limit(share: float) -> int:
    return min(int(share * 2.0**64), 2**64 - 1)
