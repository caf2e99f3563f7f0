"""Rows to vectors: numbers scaled, gaps filled and marked, categories and dates as features."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.models.columns.settings import ColumnEncoding, TableEncoding
from anysize.readers.dates import moment, seconds
from anysize.readers.values import LARGEST, Decimal, as_text, boolean, is_missing, number

CLIP = 3.0
"""Scaled numbers far from the centre are drawn in smoothly, to this at most (Holzmüller et al.
2024, arXiv:2407.04491)."""

_FAR = 30.0

_TURNS: Mapping[str, Callable[[datetime], float]] = {
    "month": lambda when: (when.month - 1) / 12,
    "day": lambda when: (when.day - 1) / 31,
    "weekday": lambda when: when.weekday() / 7,
    "hour": lambda when: (when.hour + when.minute / 60) / 24,
}
_YEARS = 20.0


class RowEncoder:
    """The cells of a row to the vector that the network reads.

    Args:
        encoding: what was learned of the columns.
    """

    def __init__(self, encoding: TableEncoding) -> None:
        self.encoding = encoding
        self._width = encoding.width
        self._scalars: list[tuple[str, Callable[[Any], float]]] = []
        self._categories: list[tuple[str, int, dict[str, int]]] = []
        self._dates: list[tuple[int, ColumnEncoding, int]] = []
        places, marks, ranks, start = [], [], [], 0
        for column in encoding.columns:
            if column.kind == "category":
                known = {value: place for place, value in enumerate(column.values, 1)}
                self._categories.append((column.name, start, known))
            else:
                self._scalars.append((column.name, reader(column)))
                turning = sum(1 if part == "year" else 2 for part in column.parts)
                places.append(start)
                if column.parts:
                    self._dates.append((len(places) - 1, column, start + 1))
                if column.steps:
                    steps = np.array(column.steps)
                    ranks.append((len(places) - 1, start + 1 + turning, steps))
                if column.gaps:
                    marks.append((start + column.width - 1, len(places) - 1))
            start += column.width
        scalars = [column for column in encoding.columns if column.kind != "category"]
        self._places = np.array(places, np.intp)
        self._fill = np.array([column.fill for column in scalars])
        self._centre = np.array([column.centre for column in scalars])
        self._scale = np.array([column.scale for column in scalars])
        self._bounded = np.array([column.kind != "boolean" for column in scalars], bool)
        self._numbers = tuple(column for column in scalars if column.kind == "number")
        self._marks = np.array(marks, np.intp).reshape(-1, 2)
        self._ranks = ranks

    def __call__(self, cells: Mapping[str, Any]) -> tuple[NDArray[np.float32], bool]:
        """The row's vector, float32 ``[width]``, and whether there is nothing to note.

        Args:
            cells: by column; one that is not there is missing.
        """
        found = np.zeros(self._width, np.float32)
        whole = True
        if len(self._places):
            get = cells.get
            read = np.array([parse(get(name)) for name, parse in self._scalars])
            gaps = np.isnan(read)
            if gaps.any():
                whole = False
                read = np.where(gaps, self._fill, read)
                found[self._marks[:, 0]] = gaps[self._marks[:, 1]]
            if self.encoding.raw:
                found[self._places] = read
                return found, whole
            scaled = (read - self._centre) * self._scale
            bounded = scaled / np.sqrt(1 + (scaled / CLIP) ** 2)
            found[self._places] = np.where(self._bounded, bounded, scaled)
            for place, target, steps in self._ranks:
                found[target] = rank(float(read[place]), steps)
            whole = whole and not any(
                other_reading(column, get(column.name)) for column in self._numbers
            )
            for place, column, start in self._dates:
                _turn(found, start, column.parts, float(read[place]))
        for name, start, known in self._categories:
            cell = cells.get(name)
            place = known.get("" if is_missing(cell) else as_text(cell), 0)
            found[start + place] = 1.0
            whole = whole and place > 0
        return found, whole

    def notes(self, cells: Mapping[str, Any]) -> tuple[str, ...]:
        """A sentence for each cell that is missing, unknown or not of its column's kind."""
        said = []
        for column in self.encoding.columns:
            cell = cells.get(column.name)
            gone = is_missing(cell)
            if column.kind == "category":
                if ("" if gone else as_text(cell)) not in column.values:
                    shown = "is missing" if gone else f"{_short(cell)} was not seen in training"
                    said.append(f"column {column.name!r}: {shown}; read as an unknown category")
            elif gone or math.isnan(reader(column)(cell)):
                shown = "is missing" if gone else f"{_short(cell)} is not a {column.kind}"
                said.append(
                    f"column {column.name!r}: {shown}; the median of the training data "
                    f"({_filled(column)}) is used"
                )
            elif column.kind == "number" and (other := other_reading(column, cell)) is not None:
                said.append(
                    f"column {column.name!r}: {_short(cell)} is read as {reader(column)(cell):g}, "
                    f"which is far from the training data; as {other:g} it would not be"
                )
        return tuple(said)


def reader(column: ColumnEncoding) -> Callable[[Any], float]:
    """What turns a cell of a number, boolean or date column into a number; NaN where it is none."""
    nan = math.nan
    if column.kind == "boolean":

        def read_boolean(cell: Any) -> float:
            found = boolean(cell)
            if found is not None:
                return float(found)
            value = number(cell)
            return nan if value is None else float(value != 0)

        return read_boolean
    if column.kind == "date":
        order = column.order

        def read_date(cell: Any) -> float:
            when = moment(cell, order)
            return nan if when is None else seconds(when)

        return read_date
    decimal = column.decimal

    def read_number(cell: Any) -> float:
        if decimal == "." or not isinstance(cell, str):
            try:
                value = float(cell)
            except (TypeError, ValueError, OverflowError):
                pass
            else:
                return value if -LARGEST <= value <= LARGEST else nan
        found = number(cell, decimal)
        return nan if found is None else found

    return read_number


def other_reading(column: ColumnEncoding, cell: Any) -> float | None:
    """What a number is with the other decimal mark, where it is far off as it is read and not so.

    ``1,234`` is one thousand or a little more than one.

    Args:
        column: of numbers.
        cell: as the table has it.
    """
    other: Decimal = "." if column.decimal == "," else ","
    if not isinstance(cell, str) or other not in cell:
        return None
    read, meant = number(cell, column.decimal), number(cell, other)
    if read is None or meant is None or read == meant:
        return None
    far, near = (abs((value - column.centre) * column.scale) for value in (read, meant))
    return meant if far > _FAR and near < CLIP else None


def rank(value: float, steps: NDArray[np.float64]) -> float:
    """A value's place among values in order, from -1 to 1."""
    place = (np.searchsorted(steps, value, "left") + np.searchsorted(steps, value, "right")) / 2
    return float(2 * place / len(steps) - 1)


def _turn(found: NDArray[np.float32], start: int, parts: tuple[str, ...], since: float) -> None:
    """Writes the parts of a date."""
    try:
        when = datetime.fromtimestamp(since, UTC)
    except (ValueError, OverflowError, OSError):
        return
    for part in parts:
        if part == "year":
            found[start] = (when.year - 2000) / _YEARS
            start += 1
        else:
            turn = 2 * math.pi * _TURNS[part](when)
            found[start], found[start + 1] = math.sin(turn), math.cos(turn)
            start += 2


def _short(cell: Any) -> str:
    text = as_text(cell)
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _filled(column: ColumnEncoding) -> str:
    if column.kind == "boolean":
        return "yes" if column.fill >= 0.5 else "no"
    if column.kind == "date":
        return datetime.fromtimestamp(column.fill, UTC).date().isoformat()
    return f"{column.fill:g}"
