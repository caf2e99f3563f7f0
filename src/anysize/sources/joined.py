"""Several sources as one, and things that are already in memory as a source."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from itertools import accumulate

from anysize.core.records import Field, Record, Source


class JoinedSource:
    """Sources one after the other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._ends = list(accumulate(len(source) for source in self._sources))

    @property
    def name(self) -> str:
        return ", ".join(source.name for source in self._sources)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect.bisect_right(self._ends, index)
        start = self._ends[which - 1] if which else 0
        return self._sources[which][index - start]

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for source in self._sources:
            digest.update(source.fingerprint().encode())
        return digest.hexdigest()


class FieldSource:
    """Fields made by the caller, one record each; ids count ``0, 1, 2 …``."""

    name = "memory"

    def __init__(self, role: str, fields: Sequence[Field]) -> None:
        self._role = role
        self._fields = fields

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Record(id=str(index), fields={self._role: self._fields[index]})

    def fingerprint(self) -> str:
        return f"memory-{len(self._fields)}"
