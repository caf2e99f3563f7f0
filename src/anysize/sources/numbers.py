"""Numbers in tables: a cell that holds a list of them, or a column for each."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any, Protocol

from anysize.core.errors import DataError
from anysize.readers.features import SUFFIXES, Features, parse_numbers
from anysize.sources.rows import Row

# Columns of numbers that say which row it is, not what is in it.
_NUMBERING = ("", "id", "index", "idx", "row", "unnamed: 0")
_LOOKED_AT = 20


class Table(Protocol):
    """What is asked of a table."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...


def number_columns(table: Table, taken: Set[str], role: str) -> tuple[str, ...]:
    """The columns that hold numbers in the first rows, in the table's order.

    Args:
        table: opened.
        taken: columns that play another role.
        role: for messages.

    Raises:
        DataError: there is none.
    """
    rows = []
    for index in range(min(len(table), _LOOKED_AT)):
        try:
            rows.append(table.row(index))
        except DataError:
            continue
    found = tuple(
        name
        for name in table.columns
        if name not in taken
        and name.strip().lower() not in _NUMBERING
        and rows
        and all(_number(row.get(name)) is not None for row in rows)
    )
    if not found:
        raise DataError(
            table.name,
            f"no column found for {role}, and no columns of numbers. The columns are: "
            f"{', '.join(table.columns)}. Name one with --columns {role}=NAME, or several with "
            f"--columns {role}=A+B+C",
        )
    return found


def row_features(row: Row, columns: tuple[str, ...], origin: str) -> Features:
    """The numbers of several cells.

    Raises:
        DataError: a cell holds none.
    """
    values = []
    for name in columns:
        value = _number(row.get(name))
        if value is None:
            raise DataError(origin, f"has no number in the column {name!r}: {row.get(name)!r}")
        values.append(value)
    return Features(values, origin, columns)


def cell_features(cell: Any, origin: str) -> Features:
    """The numbers of one cell: a list, lists of the same length, or a text of them.

    Raises:
        DataError: it holds something else.
    """
    if isinstance(cell, str):
        text = cell.strip()
        if text.startswith("["):
            try:
                cell = json.loads(text)
            except ValueError:
                cell = parse_numbers(text, origin)
        else:
            cell = parse_numbers(text, origin)
    if not isinstance(cell, list) or not cell:
        raise DataError(origin, f"must hold a list of numbers or name a .npy file, not {cell!r}")
    return Features(cell, origin)


def names_file(cell: Any) -> bool:
    """Whether a cell of features is the name of a file of them."""
    return isinstance(cell, str) and cell.strip().lower().endswith(SUFFIXES)


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, int | float):
        return float(cell)
    if isinstance(cell, str):
        try:
            return float(cell)
        except ValueError:
            return None
    return None
