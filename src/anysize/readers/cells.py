"""The cells of a table's row as a field: each network takes from them what it was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.readers.values import number


class Cells:
    """A row, of which numbers are read by name.

    Args:
        cells: by column, as the table holds them.
        names: the columns of numbers, for networks that were not trained with a table's columns.
        origin: for messages.
    """

    def __init__(self, cells: Mapping[str, Any], names: Sequence[str], origin: str) -> None:
        self.cells = cells
        self._names = tuple(names)
        self._origin = origin

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._names),)

    def only(self, names: Sequence[str]) -> Cells:
        """The same row, of which these columns are read, in this order.

        Raises:
            DataError: one is not there.
        """
        missing = [name for name in names if name not in self.cells]
        if missing:
            raise lacking(self._origin, missing, self.cells)
        return Cells(self.cells, names, self._origin)

    def numbers(self) -> NDArray[np.float64]:
        """The columns in ``names``; NaN where there is no number."""
        found = [number(self.cells.get(name)) for name in self._names]
        return np.array([np.nan if value is None else value for value in found], np.float64)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Numbers ``[start, stop)`` of the columns in ``names``.

        Raises:
            DataError: a cell holds none.
        """
        values = []
        for name in self._names[start:stop]:
            value = number(self.cells.get(name))
            if value is None:
                raise DataError(
                    self._origin, f"has no number in the column {name!r}: {self.cells.get(name)!r}"
                )
            values.append(value)
        with np.errstate(over="ignore"):
            found = np.array(values, np.float32)
        if not np.isfinite(found).all():
            raise DataError(self._origin, "holds numbers that are too large for float32")
        return found


def cells_of(
    row: Mapping[str, Any], columns: Sequence[str], numbers: Sequence[str], origin: str
) -> Cells:
    """The cells of a row that features are made of; those that it lacks are missing.

    Args:
        row: cells by column.
        columns: of the features.
        numbers: those that are read as they are.
        origin: the record.

    Raises:
        DataError: it has none of the columns.
    """
    if not any(name in row for name in columns):
        raise DataError(origin, f"has none of the columns that are read ({shown_columns(columns)})")
    return Cells({name: row.get(name) for name in columns}, numbers, origin)


def shown_columns(names: Sequence[str], most: int = 10) -> str:
    """Columns for a message; of many, the first."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def lacking(
    origin: str, missing: Sequence[str], columns: Sequence[str] | Mapping[str, Any]
) -> DataError:
    """What to say where columns are not there that a model was trained with."""
    shown = ", ".join(map(repr, missing[:10])) + (", …" if len(missing) > 10 else "")
    has = ", ".join(list(columns)[:20]) + (", …" if len(columns) > 20 else "")
    return DataError(
        origin,
        f"lacks the column{'s' if len(missing) > 1 else ''} {shown} that the model was trained "
        f"with; it has {has}. Add {'them' if len(missing) > 1 else 'it'}, with empty cells where "
        "values are not known",
    )
