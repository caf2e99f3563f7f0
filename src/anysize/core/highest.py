"""Those of a stream that rank highest, in memory for these alone."""

from __future__ import annotations

import heapq
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")


class Highest(Generic[Entry]):
    """Keeps the entries with the highest ranks; of equal ranks those with the lowest index.

    Ranks are numbers, or tuples of as many numbers each.

    Args:
        most: how many entries are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[Any, int, Entry]] = []

    def takes(self, rank: Any, index: int) -> bool:
        """Whether `add` would keep an entry: one that it would not need not be made."""
        if len(self._heap) < self._most:
            return True
        return bool(self._heap) and (rank, -index) > self._heap[0][:2]

    def add(self, rank: Any, index: int, entry: Entry) -> None:
        """Keeps an entry if it is among the highest so far.

        Args:
            rank: of the entry.
            index: its place in the stream, which no other entry has.
            entry: what is kept.
        """
        heapq.heappush(self._heap, (rank, -index, entry))
        if len(self._heap) > self._most:
            heapq.heappop(self._heap)

    def entries(self) -> list[Entry]:
        """Those that were kept, highest first."""
        order = sorted(self._heap, key=lambda each: each[:2], reverse=True)
        return [entry for *_, entry in order]
