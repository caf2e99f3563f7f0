"""A result as a row: its id, columns of the input that are carried along, what was predicted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.plurals import number_of
from anysize.core.records import Source, record_id
from anysize.core.results import ErrorResult, Result
from anysize.sources.concat import Concat
from anysize.sources.rows import Unreadable, as_string

ALL = "all"
_ID = "id"
_OWN = frozenset({_ID, "prediction", "score", "receipt", "error"})
# So many ids are compared with each other: what is held stays small.
_COMPARED = 200_000


class Rows:
    """Makes rows of results, in the order of their source.

    A record is called by the column ``id`` of its table where there is one, with the table's name
    before it where there are several inputs, and else by the id of the record.

    Args:
        source: of the records.
        keep: names of columns that are carried along, or ``all``.
        renamed: a path (a temporary one) is called by the name instead, in ids and in what is
            wrong with a record.

    Raises:
        ConfigurationError: no table has a column of that name.
    """

    def __init__(
        self, source: Source, keep: Sequence[str] = (), renamed: Mapping[Path, str] | None = None
    ) -> None:
        self._source = source
        self._parts: tuple[Source, ...] = source.parts if isinstance(source, Concat) else (source,)
        self._renamed = {str(path): name for path, name in (renamed or {}).items()}
        self._all = tuple(keep) == (ALL,)
        self._keep = frozenset(keep)
        self._seen: set[int] = set()
        self._lost: Counter[str] = Counter()
        self.repeated = 0
        self._named = any(_id_column(part) for part in self._parts)
        self._check()

    @property
    def looks(self) -> bool:
        """Whether the records' own cells are needed."""
        return bool(self._keep) or self._named

    def row(self, ordinal: int, result: Result | ErrorResult) -> dict[str, Any]:
        """The row of the result of record ``ordinal``."""
        entries = result.to_json()
        cells = self._cells(ordinal) if self.looks else {}
        for key in (_ID, "error"):
            if key in entries:
                entries[key] = self._called(entries[key])
        entries[_ID] = self._id(entries[_ID], cells)
        self._count(cells)
        if not self._keep:
            return entries
        chosen = {
            name: cell
            for name, cell in cells.items()
            if (self._all and name.lower() != _ID) or name in self._keep
        }
        self._lost.update(name for name, cell in chosen.items() if _holds_bytes(cell))
        along = {
            (f"input_{name}" if name in _OWN or name in entries else name): kept(cell)
            for name, cell in chosen.items()
        }
        return {_ID: entries.pop(_ID), **along, **entries}

    def id_of(self, ordinal: int) -> str:
        """What the row of record ``ordinal`` is called, without its result."""
        cells = self._cells(ordinal) if self._named else {}
        return self._id(self._called(record_id(self._source, ordinal)), cells)

    def words(self) -> Iterator[str]:
        """What is to be known about the ids."""
        if self.repeated:
            yield f"the column 'id' of the input repeats itself in {self.repeated} rows"
        for name, count in self._lost.items():
            rows = number_of(count, "row", "rows")
            yield f"--keep: the column {name!r} holds bytes, which are left empty, in {rows}"

    def _id(self, own: str, cells: Mapping[str, Any]) -> str:
        given = _given(cells)
        if given and len(self._parts) > 1:
            return f"{own.rpartition(':')[0]}:{given}"
        return given or own

    def _count(self, cells: Mapping[str, Any]) -> None:
        """Notes an id of a column, to see whether it comes again."""
        given = _given(cells)
        if not given or len(self._parts) > 1:
            return
        key = hash(given)
        if key in self._seen:
            self.repeated += 1
        elif len(self._seen) < _COMPARED:
            self._seen.add(key)

    def _called(self, words: str) -> str:
        for path, name in self._renamed.items():
            words = words.replace(path, name)
        return words

    def _cells(self, ordinal: int) -> dict[str, Any]:
        part: Any = self._source
        index = ordinal
        while isinstance(part, Concat):
            part, index = part.part(index)
        try:
            if hasattr(part, "row"):
                return dict(part.row(index))
            return dict(part[index].values)
        except DataError:
            return {}

    def _check(self) -> None:
        if self._all or not self._keep:
            return
        tables = [part for part in self._parts if hasattr(part, "columns")]
        known = {name for part in tables for name in part.columns}
        # The columns of a part that does not say which it has are seen when it is read.
        missing = sorted(self._keep - known) if len(tables) == len(self._parts) else []
        if missing:
            raise ConfigurationError(
                [
                    f"--keep names the column {name!r}, which the input does not have; it has: "
                    f"{', '.join(sorted(known))}"
                    for name in missing
                ]
            )


def _id_column(part: Any) -> bool:
    return any(name.lower() == _ID for name in getattr(part, "columns", ()))


def _given(cells: Mapping[str, Any]) -> str | None:
    """The id in a record's own cells."""
    return as_string(next((cell for name, cell in cells.items() if name.lower() == _ID), None))


def kept(cell: Any) -> Any:
    """A cell as JSON holds it: numbers, truth values, lists and objects stay what they are.

    Moments and the like become text; what is not a number (NaN), and bytes, become None.
    """
    if cell is None or isinstance(cell, str | bool | int):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None if math.isnan(cell) else str(cell)
    if isinstance(cell, Mapping):
        return {str(name): kept(value) for name, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [kept(value) for value in cell]
    return None if isinstance(cell, bytes | Unreadable) else str(cell)


def _holds_bytes(cell: Any) -> bool:
    if isinstance(cell, Mapping | list):
        return any(map(_holds_bytes, cell.values() if isinstance(cell, Mapping) else cell))
    return isinstance(cell, bytes)
