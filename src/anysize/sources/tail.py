"""The records of a source from one on."""

from __future__ import annotations

from anysize.core.records import Record, Source


class Tail:
    """What is left of ``source`` behind its first records.

    Args:
        source: what it is a part of.
        first: how many are passed over.
    """

    def __init__(self, source: Source, first: int) -> None:
        self.name = source.name
        self._source = source
        self._first = min(first, len(source))

    def __len__(self) -> int:
        return len(self._source) - self._first

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._source[self._first + index]

    def fingerprint(self) -> str:
        return f"{self._source.fingerprint()} from {self._first}"
