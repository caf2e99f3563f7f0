"""The columns of a table, a line each: what they are, whether they are used, what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.modalities.numbers.columns import chosen
from anysize.sources.profile import Column, ColumnKind
from anysize.sources.profile.reading import profile_of, spread_of, tables_of

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLine:
    """One column.

    Attributes:
        name: in the table.
        kind: number, category, boolean, date, text, identifier, constant or list.
        role: what it is used as (``features``, ``label``, ``text``, …); empty where it is not used.
        reading: of a text, whether it is cut into windows or repeated in each.
        why: why it is not used; empty where nothing needs to be said.
        rows, missing: how many rows, and how many of them have no value.
        distinct: different values; an estimate where there are many.
        low, high: of numbers; of dates as ISO writes them; of large tables, of a sample.
    """

    name: str
    kind: ColumnKind
    role: str
    reading: str
    why: str
    rows: int
    missing: int
    distinct: int
    low: float | str | None
    high: float | str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def column_lines(
    source: Source, findings: Findings, reading: Mapping[str, str] = NOTHING
) -> tuple[ColumnLine, ...]:
    """The columns of the table or tables behind a source; none where there is something else.

    Args:
        source: the data.
        findings: takes what there is to say of the columns that are learned from or left out.
        reading: of a role that is cut into windows or repeated in each, which of the two.
    """
    profile = profile_of(source)
    if profile is None:
        return ()
    roles: dict[str, str] = {}
    for table in tables_of(source):
        roles.update({column: role for role, column in table.roles.items()})
        for role, columns in getattr(table, "joined", {}).items():
            roles.update(dict.fromkeys(columns, role))
    spread = spread_of(source)
    if spread is not None:
        used = chosen(source, profile, spread, findings)
        roles.update(dict.fromkeys((column.name for column in used), "features"))
    return tuple(
        _line(column, roles.get(name, ""), spread is not None, reading)
        for name, column in profile.columns.items()
    )


def _line(column: Column, role: str, spread: bool, reading: Mapping[str, str]) -> ColumnLine:
    facts = column.facts
    low, high = (_shown(column, value) for value in (facts.low, facts.high))
    why = "" if role else (column.why if spread else "")
    return ColumnLine(
        name=column.name,
        kind=column.kind,
        role=role,
        reading=reading.get(role, ""),
        why=why or ("" if role else "it has no role in this task"),
        rows=facts.rows,
        missing=facts.missing,
        distinct=facts.distinct,
        low=low,
        high=high,
    )


def _shown(column: Column, value: float | None) -> float | str | None:
    if value is None or column.kind not in ("date", "number", "identifier"):
        return None
    if column.kind != "date":
        return value
    return datetime.fromtimestamp(value, UTC).date().isoformat()
