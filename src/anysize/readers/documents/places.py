"""Which page, chapter or section a stretch of characters lies in."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

MOST = 100_000
"""Places that are noted at most; what comes after belongs to the last of them."""

_NOTHING: Mapping[str, Any] = {}


class Places:
    """Places in the order of their first characters; grows while a document is read.

    One thread adds, others may ask.
    """

    def __init__(self) -> None:
        self._starts = array("q")
        self._entries: list[Mapping[str, Any]] = []
        self.beyond = 0

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, entries: Mapping[str, Any]) -> None:
        """What begins at character ``start`` lies there; starts do not decrease."""
        if self._starts and self._starts[-1] == start:
            self._entries[-1] = entries
        elif len(self._starts) < MOST:
            self._entries.append(entries)  # first, so that no start is seen without it
            self._starts.append(start)
        else:
            self.beyond += 1

    def of(self, start: int, stop: int) -> dict[str, Any]:
        """Where characters ``[start, stop)`` lie.

        ``{"page": 7}``; where they reach into another one, ``{"page": 7, "last_page": 8}``. Empty
        where nothing is known.
        """
        first, last = self._at(start), self._at(max(stop - 1, start))
        found = dict(first)
        found |= {
            f"last_{name}": value
            for name, value in last.items()
            if name in first and first[name] != value
        }
        return found

    def to_json(self) -> list[list[Any]]:
        """Starts and entries, for a file."""
        return [[start, dict(at)] for start, at in zip(self._starts, self._entries, strict=False)]

    @classmethod
    def from_json(cls, rows: list[list[Any]]) -> Places:
        """What ``to_json`` gave."""
        found = cls()
        for start, entries in rows:
            found.add(start, entries)
        return found

    def _at(self, character: int) -> Mapping[str, Any]:
        place = bisect_right(self._starts, character) - 1
        return self._entries[place] if place >= 0 else _NOTHING
