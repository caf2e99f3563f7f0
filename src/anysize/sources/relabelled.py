"""Records with a name for their target, to be counted by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from anysize.core.records import Record, Source, record_id


class Relabelled:
    """The records of a source with another target.

    Args:
        source: the records.
        label_of: gives the target of one; ``DataError`` where it cannot be understood.
    """

    def __init__(
        self, source: Source, label_of: Callable[[Record], str | tuple[str, ...] | None]
    ) -> None:
        self.source = source
        self.name = source.name
        self._label_of = label_of

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record = self.source[index]
        return replace(record, target=self._label_of(record))

    def record_id(self, index: int) -> str:
        """As the source gives it."""
        return record_id(self.source, index)

    def fingerprint(self) -> str:
        return self.source.fingerprint()
