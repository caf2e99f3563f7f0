"""Profiles of opened tables: row by row, and kept in the cache for large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.progress import Progress
from anysize.core.records import Source
from anysize.sources.profile import Profile
from anysize.sources.profile.facts import Facts
from anysize.sources.rows import Row

_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Features that are spread over columns of a table.

    Attributes:
        names: the columns that could be among them.
        chosen: whether the user or the model names them, and not only what the table has.
    """

    names: tuple[str, ...]
    chosen: bool = False


class Table(Protocol):
    """What is asked of a table."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...


def read_profile(table: Table) -> Profile:
    """Counts over all rows of a table, each parsed as its records are."""
    facts = {name: Facts() for name in table.columns}
    size, unread = len(table), 0
    progress = Progress(f"looking at the columns of {table.name}, once", size, "rows")
    for start in range(0, size, _BLOCK):
        cells: dict[str, list[Any]] = {name: [] for name in facts}
        for index in range(start, min(start + _BLOCK, size)):
            try:
                row = table.row(index)
            except DataError:
                unread += 1
                continue
            for name, held in cells.items():
                held.append(row.get(name))
        for name, held in cells.items():
            facts[name].add(held, facts[name].rows)
        progress.at(start)
    progress.end(size)
    return Profile.of(size, unread, facts)


def tables_of(source: Source) -> list[Any]:
    """The tables behind a source, through its parts and subsets; none if not all are tables."""
    if hasattr(source, "profile"):
        return [source]
    inner = getattr(source, "source", None)
    if inner is not None:
        return tables_of(inner)
    found = [tables_of(part) for part in getattr(source, "parts", ())]
    if not all(found):
        return []
    # A table that was divided is behind several parts.
    return list({id(table): table for tables in found for table in tables}.values())


def profile_of(source: Source) -> Profile | None:
    """What the columns of the table or tables behind a source are; None where there is none."""
    joined: Profile | None = None
    for table in tables_of(source):
        own: Profile = table.profile()
        joined = own if joined is None else joined.joined(own)
    return joined


def spread_of(source: Source) -> Spread | None:
    """The columns that together are the features of a source; None where it has no such."""
    spreads: list[Spread | None] = [table.spread for table in tables_of(source)]
    if not spreads or None in spreads:
        return None
    names = dict.fromkeys(name for each in spreads if each for name in each.names)
    return Spread(names=tuple(names), chosen=any(each.chosen for each in spreads if each))


def findings_of(source: Source) -> Findings:
    """Where findings about a source go; a collector of their own where it has none."""
    tables = tables_of(source)
    found: Findings = tables[0].findings if tables else Findings()
    return found
