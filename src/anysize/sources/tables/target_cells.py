"""The target of a row: one cell, or several columns of yes and no that are a label each.

And whether the row has what is to be learned from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from anysize.core.errors import DataError
from anysize.modalities import is_content
from anysize.readers.values import boolean, is_missing
from anysize.sources.columns import Role
from anysize.sources.rows import Row, Unreadable
from anysize.sources.tables.cell_fields import cell_string

_YES, _NO = frozenset({"1", "1.0", "x"}), frozenset({"0", "0.0"})


def target_cell(row: Row, columns: Sequence[str], origin: str) -> str | None:
    """A target as it is written; of several columns the list of those that say yes, as JSON.

    Args:
        row: cells by column.
        columns: of the target.
        origin: the record.

    Raises:
        DataError: a cell that cannot be read, or that is neither yes nor no.
    """
    if len(columns) == 1:
        return cell_string(row.get(columns[0]), origin, columns[0])
    found = [column for column in columns if says_yes(row.get(column), column, origin)]
    return json.dumps(found, ensure_ascii=False)


def needed_contents(roles: Iterable[Role]) -> list[str]:
    """The roles whose content each record must have in a column."""
    return [
        role.spec.role
        for role in roles
        if role.place >= 0 and role.spec.required and is_content(role.spec.kind)
    ]


def is_blank(row: Row, columns: Sequence[str]) -> bool:
    """Whether none of the cells of a content holds anything, so that the record cannot be used."""
    return all(
        cell is None or isinstance(cell, Unreadable) or (isinstance(cell, str) and _empty(cell))
        for cell in map(row.get, columns)
    )


def _empty(cell: str) -> bool:
    return not cell or cell.isspace()  # strip would copy a long text


def says_yes(cell: Any, column: str, origin: str) -> bool:
    """Whether a cell marks its column's label: 1, true, yes or x; 0, false, no or nothing do not.

    Raises:
        DataError: it is something else.
    """
    value = cell_string(cell, origin, column)
    if value is None or is_missing(value):
        return False
    text = value.strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    found = boolean(text)
    if found is None:
        raise DataError(
            origin,
            f"has {value!r:.40} in the column {column!r}, which must be 0 or 1 (yes or no) to say "
            "whether the record has that label",
        )
    return found
