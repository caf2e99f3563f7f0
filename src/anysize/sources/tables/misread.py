"""What to say of a text table that does not look like one, as it was cut into rows and cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from anysize.sources.rows import Delimited, RowError, split_cells
from anysize.sources.tables.dialect import SIGNS
from anysize.sources.tables.sniffing import DELIMITERS

_SHOWN = 60
_FEWEST = 3
_MOST_ROWS, _FEW_ROWS = 0.8, 0.2


def unlike_its_rows(first: str, rows: Sequence[str], row_format: Delimited) -> str:
    """What is wrong with a first row that hardly any other is like; empty where nothing is.

    Args:
        first: the row that gives the number of columns.
        rows: those below it.
        row_format: cuts them.
    """
    width = len(row_format.columns)
    sizes = [_size(row, row_format) for row in rows]
    common, times = Counter(sizes).most_common(1)[0] if sizes else (width, 0)
    if common in (0, 1, width) or times < max(_FEWEST, _MOST_ROWS * len(rows)):
        return ""
    if sum(_is_read(row, row_format) for row in rows) > _FEW_ROWS * len(rows):
        return ""
    like = rows[sizes.index(common)]
    found = (
        f"its first row, {_short(first)}, has {width} {'cell' if width == 1 else 'cells'}, and "
        f"most rows have {common}: "
    )
    if width == 1:
        return f"{found}remove what is above the row with the columns, {_short(like)}"
    return f"{found}name as many columns as a row has cells, as in {_short(like)}"


def other_delimiter(column: str, rows: Sequence[str]) -> str:
    """Advice for a table of one column whose rows another sign cuts alike; empty where none does.

    Args:
        column: the first row, whole.
        rows: those below it.
    """
    lines = [column, *rows]
    for sign in dict.fromkeys([*DELIMITERS, *column]):
        if sign not in column or sign.isalnum() or sign in "_\"'":
            continue
        if len({line.count(sign) for line in lines}) == 1:
            named = next((name for name, each in SIGNS.items() if each == sign), sign)
            return f". If its cells are separated by {sign!r}, add delimiter={named} to --columns"
    if len(column.split()) > 1 and len({len(line.split()) for line in lines}) == 1:
        return ". If its cells are separated by several blanks, write a comma in place of each"
    return ""


def _size(row: str, row_format: Delimited) -> int:
    try:
        return len(split_cells(row, row_format.dialect))
    except RowError:
        return 0


def _is_read(row: str, row_format: Delimited) -> bool:
    try:
        row_format.parse(row)
    except RowError:
        return False
    return True


def _short(row: str) -> str:
    return repr(row if len(row) <= _SHOWN else row[: _SHOWN - 1] + "…")
