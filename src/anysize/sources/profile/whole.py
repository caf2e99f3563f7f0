"""The profile of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.sources.profile.facts import Facts
from anysize.sources.profile.kinds import Column, column_of, comma_is_decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The columns of a table in its order.

    Attributes:
        rows: of the table.
        unread: rows that could not be read.
        columns: by name.
    """

    rows: int
    unread: int
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, rows: int, unread: int, facts: Mapping[str, Facts]) -> Profile:
        """Decides the kinds by the counts of all columns."""
        commas = any(map(comma_is_decimal, facts.values()))
        columns = {name: column_of(name, each, commas=commas) for name, each in facts.items()}
        return cls(rows=rows, unread=unread, columns=columns)

    def joined(self, other: Profile) -> Profile:
        """Of both tables together; columns that one does not have are missing there."""
        facts = {
            name: Facts.from_json(column.facts.to_json()) for name, column in self.columns.items()
        }
        for name, column in other.columns.items():
            mine = facts.setdefault(name, Facts(rows=self.rows, missing=self.rows))
            mine.join(column.facts)
        for name in self.columns.keys() - other.columns.keys():
            facts[name].rows += other.rows
            facts[name].missing += other.rows
        return Profile.of(self.rows + other.rows, self.unread + other.unread, facts)

    def to_json(self) -> dict[str, Any]:
        """What a cache file keeps."""
        return {
            "rows": self.rows,
            "unread": self.unread,
            "columns": {name: column.facts.to_json() for name, column in self.columns.items()},
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Profile:
        facts = {name: Facts.from_json(each) for name, each in entries["columns"].items()}
        return cls.of(int(entries["rows"]), int(entries["unread"]), facts)
