"""Which columns of a table a network learns from, and how they are encoded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import Record, Source
from anysize.models.columns import TableEncoding
from anysize.models.columns.learning import learn
from anysize.readers.cells import Cells
from anysize.readers.values import as_text
from anysize.sources.profile import Column, Profile
from anysize.sources.profile.reading import Spread, findings_of, profile_of, spread_of
from anysize.sources.profile.telling import ByColumn, no_columns, tell, tell_left_out

_MOST_ROWS = 100_000
_MOST_CELLS = 1 << 22
_ONE_TO_ONE = 0.995
_LEAST_ROWS = 20
_MOST_VALUES = 200


def learned(source: Source, *, raw: bool = False) -> TableEncoding | None:
    """The encoding of a training source's columns; None where it is no table of columns.

    Args:
        source: the training part; what is learned is learned from it alone. Only the kinds of the
            columns are those of the whole table.
        raw: numbers alone, and as they are, for a network that scales them itself.

    Raises:
        DataError: no column can be used.
    """
    spread = spread_of(source)
    profile = None if spread is None else profile_of(source)
    if spread is None or profile is None:
        return None
    findings = findings_of(source)
    columns = chosen(source, profile, spread, findings, raw=raw)
    watched = _Watched([column.name for column in columns])
    encoding = learn(columns, watched.rows(source, _limit(len(columns))), raw=raw)
    watched.tell(findings, Path(source.name).name)
    return encoding


def chosen(
    source: Source, profile: Profile, spread: Spread, findings: Findings, *, raw: bool = False
) -> list[Column]:
    """The columns that are learned from, in the table's order or as they were named.

    Args:
        source: the data.
        profile: of its columns.
        spread: those that could be learned from.
        findings: takes what there is to say of them, and of those that are left out.
        raw: only numbers are learned from.

    Raises:
        DataError: none can be, or not all that were named.
    """
    where = Path(source.name).name
    found = ByColumn()
    columns = _chosen(profile, spread, found, where, raw=raw)
    if not columns:
        raise DataError(source.name, no_columns(profile, spread.names))
    tell(profile, {column.name for column in columns}, found, where)
    findings.join(found.shortened())
    return columns


def _chosen(
    profile: Profile, spread: Spread, found: ByColumn, where: str, *, raw: bool
) -> list[Column]:
    """The columns to learn from, in the table's order, or as they were named."""
    columns: list[Column] = []
    refused = []
    for name in spread.names:
        column = profile.columns.get(name)
        if column is None:
            continue
        if spread.chosen and not column.usable:
            column = _forced(column)
            if not column.usable:
                refused.append(f"{name!r} ({column.why})")
                continue
        if raw and column.kind == "constant" and column.facts.low is not None:
            column = _forced(column)  # the network has an input for it
        if raw and column.kind in ("category", "date"):
            column = dataclasses.replace(
                column, kind="text", why="this model was made for numbers alone"
            )
        if column.usable:
            columns.append(column)
        else:
            tell_left_out(column, found.of(name), where)
    if refused:
        raise DataError(
            where,
            f"cannot be learned from by {', '.join(refused)}: leave out of --columns features "
            "what is no number, category, boolean or date",
        )
    return columns


def _forced(column: Column) -> Column:
    """A column that the user names although it would be left out."""
    if column.kind in ("identifier", "constant"):
        numbers = column.facts.low is not None or not column.facts.present
        return dataclasses.replace(column, kind="number" if numbers else "category", why="")
    return column


def _limit(columns: int) -> int:
    return max(min(_MOST_ROWS, _MOST_CELLS // columns), 1000)


class _Watched:
    """Rows on their way to be learned from; notes which columns go with which label.

    Args:
        names: of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._pairs: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in names}
        self._rows = 0

    def rows(self, source: Source, limit: int) -> Iterator[Mapping[str, Any]]:
        """The rows that can be read, evenly chosen, at most so many."""
        step = max(-(-len(source) // limit), 1)
        fault: DataError | None = None
        for index in range(0, len(source), step):
            try:
                record = source[index]
                field = record.features("features")
            except DataError as error:
                fault = fault or error
                continue
            if isinstance(field, Cells):
                self._see(record, field)
                yield field.cells
        if not self._rows:
            raise fault or DataError(source.name, "has no record that can be read")

    def _see(self, record: Record, field: Cells) -> None:
        self._rows += 1
        if record.target is None:
            return
        target = str(record.target)
        for name, pairs in list(self._pairs.items()):
            pairs[as_text(field.cells.get(name)), target] += 1
            if len(pairs) > _MOST_VALUES:
                del self._pairs[name]

    def tell(self, findings: Findings, where: str) -> None:
        """Warns of columns that are the label in other words."""
        for name, pairs in self._pairs.items():
            if _gives_away(pairs):
                findings.add(
                    "column-gives-label-away",
                    f"{where}: the column {name!r} says the label in other words: each of its "
                    "values goes with one label and the reverse",
                    count=sum(pairs.values()),
                    remedy="leave it out with --columns features=A+B+C, unless it is really known "
                    "before the label",
                )


def _gives_away(pairs: Counter[tuple[str, str]]) -> bool:
    """Whether values and labels go with each other, one to one."""
    total = sum(pairs.values())
    if total < _LEAST_ROWS or len({label for _, label in pairs}) < 2:
        return False
    for side in (0, 1):
        most: dict[str, int] = {}
        for pair, times in pairs.items():
            most[pair[side]] = max(most.get(pair[side], 0), times)
        if sum(most.values()) < _ONE_TO_ONE * total:
            return False
    return True
