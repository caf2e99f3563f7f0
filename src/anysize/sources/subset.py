"""Part of a source, as one bit a record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Record, Source, record_id
from anysize.sources.hashes import id_hashes
from anysize.sources.labels.targets import spellings, targets

_BLOCK = 1 << 12
_STEP = 1 << 16

Item = TypeVar("Item")


class Subset:
    """The records of ``source`` that ``keep`` marks, in their order.

    Memory is one bit a record of the source; record ``i`` is found by a search over the counts of
    blocks of 4,096 bits and one unpacked block, whatever the source's length.

    Args:
        source: what it is a part of.
        keep: ``keep(start, stop)`` says of the records ``[start, stop)`` which belong to it, as a
            bool array of that length.
        name: for messages.
    """

    def __init__(
        self, source: Source, keep: Callable[[int, int], NDArray[np.bool_]], name: str
    ) -> None:
        self.name = name
        self.source = source
        size = len(source)
        self._bits = np.zeros((size + 7) // 8, dtype=np.uint8)
        counts = [0]
        for start in range(0, size, _STEP):
            kept = keep(start, min(start + _STEP, size))
            packed = np.packbits(kept)
            self._bits[start // 8 : start // 8 + len(packed)] = packed
            for block in range(0, len(kept), _BLOCK):
                counts.append(counts[-1] + int(np.count_nonzero(kept[block : block + _BLOCK])))
        self._counts = np.array(counts, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._counts[-1])

    def __getitem__(self, index: int) -> Record:
        return self.source[self.position(index)]

    def position(self, index: int) -> int:
        """Which record of the source the subset's record ``index`` is."""
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        block = int(np.searchsorted(self._counts, index, side="right")) - 1
        bits = np.unpackbits(self._bits[block * _BLOCK // 8 : (block + 1) * _BLOCK // 8])
        return block * _BLOCK + int(np.flatnonzero(bits)[index - int(self._counts[block])])

    def members(self) -> NDArray[np.bool_]:
        """Which records of the source are its own, a byte each."""
        bits: NDArray[np.bool_] = np.unpackbits(self._bits, count=len(self.source)).astype(bool)
        return bits

    def positions(self) -> Iterator[int]:
        """Positions of all its records in the source, in order."""
        for block in range(len(self._counts) - 1):
            bits = np.unpackbits(self._bits[block * _BLOCK // 8 : (block + 1) * _BLOCK // 8])
            yield from (np.flatnonzero(bits) + block * _BLOCK).tolist()

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """As the source gives them."""
        places = [self.position(index) for index in range(start, stop)]
        if not places:
            return np.empty(0, dtype=np.uint64)
        low, high = places[0], places[-1] + 1
        found = [
            id_hashes(self.source, at, min(at + _STEP, high))[
                [place - at for place in places if at <= place < at + _STEP]
            ]
            for at in range(low, high, _STEP)
        ]
        return np.concatenate(found)

    def record_id(self, index: int) -> str:
        """As the source gives it."""
        return record_id(self.source, self.position(index))

    def targets(self) -> Iterator[Any]:
        """Every record's target in order."""
        return self._own(targets(self.source))

    def spellings(self) -> Iterator[str | None]:
        """Every record's label as it is written, in order."""
        return self._own(spellings(self.source))

    def _own(self, items: Iterable[Item]) -> Iterator[Item]:
        """Of the source's items, one a record, those of the subset."""
        wanted = self.positions()
        following = next(wanted, None)
        for place, item in enumerate(items):
            if following is None:
                return
            if place == following:
                yield item
                following = next(wanted, None)

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(self.source.fingerprint().encode(), digest_size=16)
        digest.update(self._bits.tobytes())
        return digest.hexdigest()
