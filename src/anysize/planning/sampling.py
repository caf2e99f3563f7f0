"""A look at the data: how large its windows are, and what reading it needs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.modalities import load
from anysize.planning.probe import PeakMeter
from anysize.sources import ColumnSpec

_RECORDS = 48
_WINDOWS = 192
_WINDOWS_OF_ONE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What some records, evenly chosen, look like.

    Attributes:
        examples: windows of theirs.
        record_cost: mean cost of a record; an estimate where records are long.
        total_cost: of all records, estimated.
        reading: bytes that reading needed on top of what was there.
    """

    examples: tuple[Example, ...]
    record_cost: float
    total_cost: int
    reading: int


def sample(
    source: Source,
    preprocess: Preprocess,
    windowed: ColumnSpec,
    *,
    draw: int | None = None,
    seconds: float = 1.0,
) -> Sample:
    """Reads a few records, evenly spread; of long ones only the first windows.

    Args:
        source: the data.
        preprocess: makes windows.
        windowed: the column of the field that it makes them of.
        draw: as in `core.pipeline.examples`.
        seconds: no further record is begun after so long.
    """
    found: list[Example] = []
    costs: list[float] = []
    step = max(len(source) // _RECORDS, 1)
    started = time.perf_counter()
    with PeakMeter() as meter:
        for index in range(0, len(source), step):
            windows, whole = _first_windows(source, index, preprocess, draw)
            if windows:
                cost = sum(window.cost for window in windows)
                costs.append(cost if whole else max(cost, estimated_cost(source, index, windowed)))
                found += windows
            if len(found) >= _WINDOWS or time.perf_counter() - started > seconds:
                break
    mean = sum(costs) / len(costs) if costs else 0.0
    return Sample(
        examples=tuple(found),
        record_cost=mean,
        total_cost=int(mean * len(source)),
        reading=meter.growth,
    )


def _first_windows(
    source: Source, index: int, preprocess: Preprocess, draw: int | None
) -> tuple[list[Example], bool]:
    found: list[Example] = []
    for item in examples(source, [Position(index, index)], preprocess, draw=draw):
        if isinstance(item, Failure):
            return [], True
        found.append(item)
        if len(found) == _WINDOWS_OF_ONE and not item.window.last:
            return found, False
    return found, True


def estimated_cost(source: Source, index: int, windowed: ColumnSpec) -> float:
    """The cost of a record by its size, unread.

    Args:
        source: the data.
        index: of the record.
        windowed: the column of the field that is windowed.
    """
    field = source[index].fields.get(windowed.role)
    return 0.0 if field is None else load(windowed.kind).estimated_cost(field)
