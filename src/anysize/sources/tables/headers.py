"""Whether the first row of a table is its header, and what columns without names hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from anysize.modalities import is_content, load
from anysize.sources.columns import ColumnSpec
from anysize.sources.tables.quotes import Shape, shapes

_WORDS = 5
_FEWEST = 2
_FILE = re.compile(r"[^\n]{1,255}\.[A-Za-z0-9]{2,5}")


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Whether the first row is a header, and why."""

    header: bool
    reason: str = ""


def guess_header(
    first: Sequence[str], rows: Sequence[Sequence[str]], names: Collection[str]
) -> Guess:
    """Decides by the names that are looked for, then by what the rows below look like.

    Without evidence that it is a row like the others, the first row is the header.

    Args:
        first: cells of the first row.
        rows: cells of the rows below.
        names: usual names of columns, in lower case, and those that the user gives.
    """
    cells = [cell.strip() for cell in first]
    if any(cell.lower() in names for cell in cells):
        return Guess(header=True)
    below = [row for row in rows if len(row) == len(cells)]
    if len(below) >= _FEWEST:
        kinds = shapes(below, len(cells))
        numbers = [place for place, kind in enumerate(kinds) if kind == "number"]
        if numbers:
            like = all(shapes([[cells[place]]] * 6, 1) == ("number",) for place in numbers)
            return Guess(header=not like, reason="its cells are numbers like those below")
        for place, kind in enumerate(kinds):
            if isinstance(kind, frozenset) and cells[place] in kind:
                return Guess(header=False, reason=f"{cells[place]!r} is also in the rows below")
    if any(len(cell.split()) >= _WORDS for cell in cells):
        return Guess(header=False, reason="its cells are no names of columns")
    return Guess(header=True)


def guess_roles(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    roles: Sequence[ColumnSpec],
    given: Collection[str],
) -> dict[str, str]:
    """Columns by what they hold, for roles that have none by name.

    Text is the column with the longest cells on average, a picture's column that of file names, a
    target's one with few different values: the last, else the first.

    Args:
        columns: names of the columns, such as ``column 1``.
        rows: cells of some rows.
        roles: of the task.
        given: roles that the user has given a column.
    """
    width = len(columns)
    rows = [row for row in rows if len(row) == width]
    kinds = shapes(rows, width)
    found: dict[str, str] = {}
    for spec in sorted(roles, key=lambda spec: spec.kind != "target"):
        if spec.role in given:
            continue
        free = [place for place in range(width) if columns[place] not in found.values()]
        place = None
        if spec.kind == "target" and width > 1:
            place = _target(free, rows, kinds)
        elif is_content(spec.kind) and load(spec.kind).longest_column and free:
            place = max(free, key=lambda place: sum(len(row[place]) for row in rows))
        elif is_content(spec.kind) and load(spec.kind).in_files:
            named = [one for one in free if rows and all(_FILE.fullmatch(r[one]) for r in rows)]
            place = named[0] if named else None
        if place is not None:
            found[spec.role] = columns[place]
    return found


def _target(
    free: Sequence[int], rows: Sequence[Sequence[str]], kinds: Sequence[Shape]
) -> int | None:
    """The last column with few different values, else the first."""
    for place in (free[-1], free[0], *reversed(free)):
        counts = Counter(row[place] for row in rows)
        few = len(counts) <= max(2, len(rows) // 3) or isinstance(kinds[place], frozenset)
        if few and all(len(value) <= 64 for value in counts):
            return place
    return None
