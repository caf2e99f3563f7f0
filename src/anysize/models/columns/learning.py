"""Learns an encoding from rows of the training part, and from nothing else."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.models.columns.encoder import reader
from anysize.models.columns.settings import PARTS, ColumnEncoding, TableEncoding
from anysize.readers.values import as_text, is_missing
from anysize.sources.profile import Column

MOST_CATEGORIES = 256
"""Categories of a column that have a feature of their own; the rarer ones are unknown."""

_FAR = 12.0
_STEPS = 32
_LEAST = 2


def learn(
    columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, raw: bool = False
) -> TableEncoding:
    """What the rows say of each column.

    Args:
        columns: those to read, in order; the kinds are number, boolean, category or date.
        rows: of the training part.
        raw: leave numbers as they are, for a network that scales them itself.
    """
    plain = [_plain(column) for column in columns]
    counted: dict[str, Counter[str]] = {
        each.name: Counter() for each in plain if each.kind == "category"
    }
    readers = [(each.name, reader(each)) for each in plain if each.kind != "category"]
    numbers: list[NDArray[np.float64]] = []
    for row in rows:
        numbers.append(np.array([read(row.get(name)) for name, read in readers]))
        for name, counts in counted.items():
            cell = row.get(name)
            counts["" if is_missing(cell) else as_text(cell)] += 1
    table = np.array(numbers).reshape(len(numbers), len(readers))
    places = {name: place for place, (name, _) in enumerate(readers)}
    return TableEncoding(
        columns=tuple(
            _categories(each, counted[each.name])
            if each.kind == "category"
            else _scaled(each, table[:, places[each.name]], raw=raw)
            for each in plain
        ),
        raw=raw,
    )


def _plain(column: Column) -> ColumnEncoding:
    if column.kind not in ("number", "boolean", "category", "date"):
        raise ValueError(f"a column that is {column.kind} has no encoding")
    return ColumnEncoding(
        name=column.name, kind=column.kind, decimal=column.decimal, order=column.order
    )


def _scaled(column: ColumnEncoding, values: NDArray[np.float64], *, raw: bool) -> ColumnEncoding:
    there = values[~np.isnan(values)]
    if not len(there):
        return dataclasses.replace(column, scale=0.0)
    fill = float(np.median(there))
    gaps = bool(len(there) < len(values))
    if column.kind == "boolean":
        fill = float(round(fill))
        return dataclasses.replace(column, fill=fill, centre=0.5, scale=2.0, gaps=gaps)
    if raw:
        return dataclasses.replace(column, fill=fill)
    low, high = np.quantile(there, [0.25, 0.75])
    spread = float(high - low)
    reach = float(there.max() - there.min())
    scale = 1 / spread if spread > 0 else 2 / reach if reach > 0 else 0.0
    if not np.isfinite(scale):
        scale = 0.0
    steps: tuple[float, ...] = ()
    if column.kind == "number" and np.abs((there - fill) * scale).max() > _FAR:
        at = np.quantile(there, np.linspace(0, 1, _STEPS + 1), method="nearest")
        steps = tuple(map(float, at))
    parts = _varying(there) if column.kind == "date" else ()
    return dataclasses.replace(
        column, fill=fill, centre=fill, scale=scale, gaps=gaps, steps=steps, parts=parts
    )


def _varying(moments: NDArray[np.float64]) -> tuple[str, ...]:
    """The parts of dates that differ between rows."""
    found: dict[str, set[int]] = {part: set() for part in PARTS}
    for since in moments.tolist():
        when = datetime.fromtimestamp(since, UTC)
        for part, value in zip(
            PARTS, (when.year, when.month, when.day, when.weekday(), when.hour), strict=True
        ):
            found[part].add(value)
    return tuple(part for part in PARTS if len(found[part]) > 1)


def _categories(column: ColumnEncoding, counts: Counter[str]) -> ColumnEncoding:
    """The common ones; what occurs once teaches the feature of the unknown."""
    common = [value for value, times in counts.most_common(MOST_CATEGORIES) if times >= _LEAST]
    return dataclasses.replace(column, values=tuple(sorted(common)))
