"""What was learned of a table's columns; it is kept in the bundle and travels with the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from anysize.readers.dates import Order
from anysize.readers.values import Decimal

Kind: TypeAlias = Literal["number", "boolean", "category", "date"]

PARTS = ("year", "month", "day", "weekday", "hour")
"""Parts of a date, beside the time that has elapsed. All but the year go round, so each is the
sine and the cosine of its part of the circle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEncoding:
    """One column, as the training part has it.

    Attributes:
        name: of the column.
        kind: number, boolean, category or date.
        fill: what replaces a missing number, boolean or date (seconds since 1970): the median.
        centre, scale: of numbers and dates, (value - centre) * scale is read.
        gaps: whether a feature of its own says that the value is missing.
        decimal: the decimal mark of its numbers.
        order: of day and month of its dates.
        values: the categories; all others are unknown, which has a feature of its own.
        parts: of dates, those that vary.
        steps: of numbers that are spread very unevenly, values at even distances in the order of
            size; a second feature is the place among them.
    """

    name: str
    kind: Kind
    fill: float = 0.0
    centre: float = 0.0
    scale: float = 1.0
    gaps: bool = False
    decimal: Decimal = "."
    order: Order = "ymd"
    values: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    steps: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """How many features it makes."""
        if self.kind == "category":
            return len(self.values) + 1
        turning = sum(1 if part == "year" else 2 for part in self.parts)
        return 1 + turning + bool(self.steps) + self.gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEncoding:
    """All columns that a model reads, in the order of its features.

    Attributes:
        columns: in order.
        raw: whether numbers are read as they are, for a network that scales them itself.
    """

    columns: tuple[ColumnEncoding, ...]
    raw: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def width(self) -> int:
        """How many features a row makes."""
        return sum(column.width for column in self.columns)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> TableEncoding:
        """Reads what ``dataclasses.asdict`` wrote.

        Raises:
            TypeError, KeyError, ValueError: it is damaged.
        """
        known = {each.name for each in dataclasses.fields(ColumnEncoding)}
        columns = []
        for column in entries["columns"]:
            found = {name: value for name, value in column.items() if name in known}
            for name in ("values", "parts", "steps"):
                found[name] = tuple(found.get(name, ()))
            if found["kind"] not in ("number", "boolean", "category", "date"):
                raise ValueError(f"no kind of column: {found['kind']!r}")
            if not set(found["parts"]) <= set(PARTS):
                raise ValueError(f"parts of a date must be of {PARTS}, not {found['parts']}")
            columns.append(ColumnEncoding(**found))
        return cls(columns=tuple(columns), raw=bool(entries.get("raw", False)))
