"""Several sources as one."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Record, Source, record_id
from anysize.sources.hashes import id_hashes
from anysize.sources.labels.targets import spellings, targets


class Concat:
    """The records of ``parts``, one part after the other."""

    def __init__(self, name: str, parts: Sequence[Source]) -> None:
        self.name = name
        self.parts = tuple(parts)
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Record:
        part, place = self.part(index)
        return part[place]

    def part(self, index: int) -> tuple[Source, int]:
        """The part that holds record ``index``, and which of its records that is."""
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)} in {self.name}")
        place = bisect_right(self._ends, index)
        return self.parts[place], index - self._start(place)

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """As the parts give them."""
        blocks = [np.empty(0, dtype=np.uint64)]
        for place, part in enumerate(self.parts):
            first = self._start(place)
            low, high = max(start, first), min(stop, self._ends[place])
            if low < high:
                blocks.append(id_hashes(part, low - first, high - first))
        return np.concatenate(blocks)

    def record_id(self, index: int) -> str:
        """As the parts give it."""
        place = bisect_right(self._ends, index)
        return record_id(self.parts[place], index - self._start(place))

    def targets(self) -> Iterator[Any]:
        """Every record's target in order."""
        for part in self.parts:
            yield from targets(part)

    def spellings(self) -> Iterator[str | None]:
        """Every record's label as it is written, in order."""
        for part in self.parts:
            yield from spellings(part)

    def fingerprint(self) -> str:
        text = "\n".join(part.fingerprint() for part in self.parts)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _start(self, place: int) -> int:
        return self._ends[place - 1] if place else 0
