"""Records that come one after the other from an iterator, which may have no end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import NoReturn

from anysize.core.errors import AnysizeError, DataError
from anysize.core.pipeline import Position
from anysize.core.records import Field, Record, Source, record_id
from anysize.sources.memory import FieldSource

# What comes this slowly, in seconds, is answered before the next is asked for.
_PATIENCE = 0.05


class StreamSource:
    """A source that is read once, forwards, as far as its reader goes.

    It has no length. `positions` draws from the iterator, and each record that it has announced can
    be had once; nothing else is held.

    Args:
        parts: sources of one record or of many (a table), each opened when its turn comes; an
            ``AnysizeError`` is one that cannot be opened.
    """

    name = "stream"

    def __init__(self, parts: Iterable[Source | AnysizeError]) -> None:
        self._parts = parts
        self._announced: dict[int, tuple[Source, int] | AnysizeError] = {}
        self._failed: dict[int, str] = {}
        self._slow = True

    def positions(self) -> Iterator[Position]:
        """The sources of the records, as they come."""
        ordinal = 0
        for part in self._timed():
            for index in range(1 if isinstance(part, AnysizeError) else len(part)):
                self._announced[ordinal] = part if isinstance(part, AnysizeError) else (part, index)
                yield Position(ordinal, ordinal)
                ordinal += 1

    def slow(self) -> bool:
        """Whether the last part was the first, or took long: it need not wait for the next."""
        return self._slow

    def _timed(self) -> Iterator[Source | AnysizeError]:
        parts = iter(self._parts)
        asked = -math.inf
        while (part := next(parts, None)) is not None:
            self._slow = time.monotonic() - asked > _PATIENCE
            yield part
            asked = time.monotonic()

    def __getitem__(self, index: int) -> Record:
        found = self._announced.pop(index)
        if isinstance(found, AnysizeError):
            self._failed[index] = str(index)
            raise DataError(f"input {index}", str(found))
        part, place = found
        try:
            return part[place]
        except DataError:
            self._failed[index] = record_id(part, place)
            raise

    def record_id(self, index: int) -> str:
        """The id of a record that could not be had; it can be asked for once."""
        return self._failed.pop(index)

    def __len__(self) -> NoReturn:
        raise TypeError("a stream has no length")

    def fingerprint(self) -> str:
        """The same for every stream: what it will give is not known."""
        return "stream"


def single(role: str, name: str, field: Field) -> Source:
    """One thing in memory as a source of one record."""
    return FieldSource(role, [field], names=(name,))
