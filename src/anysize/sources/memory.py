"""Things that are already in memory, as a source."""

from __future__ import annotations

from collections.abc import Sequence

from anysize.core.records import Field, Record


class FieldSource:
    """Fields made by the caller, one record each.

    Args:
        role: of each field.
        fields: one a record.
        names: the records' ids; None counts ``0, 1, 2 …``.
    """

    name = "memory"

    def __init__(
        self, role: str, fields: Sequence[Field], names: Sequence[str] | None = None
    ) -> None:
        self._role = role
        self._fields = fields
        self._names = names

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Record(
            id=str(index) if self._names is None else self._names[index],
            fields={self._role: self._fields[index]},
        )

    def fingerprint(self) -> str:
        return f"memory-{len(self._fields)}"
