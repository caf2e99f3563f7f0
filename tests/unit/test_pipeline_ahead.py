"""Long records are read ahead by a bounded number of windows, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from anysize.core import pipeline
from anysize.core.errors import DataError
from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples
from anysize.core.records import Record
from anysize.core.windows import Span, Window


class Long:
    """Records of so many windows each."""

    name = "long"

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Record:
        return Record(id=str(index), fields={})

    def fingerprint(self) -> str:
        return "long"


class Windows:
    """Counts what was read; window ``breaks_at`` cannot be."""

    def __init__(self, source: Long, breaks_at: int | None = None) -> None:
        self.source, self.breaks_at = source, breaks_at
        self.read = 0
        self.readers: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        for index in range(self.source.sizes[int(record.id)]):
            if index == self.breaks_at:
                raise DataError(record.id, "ends too early")
            with self._lock:
                self.read += 1
                self.readers.add(threading.current_thread().name)
            span = Span(index, index + 1)
            yield Example(
                ordinal=ordinal,
                window=Window(record=record.id, index=index, region=span, core=span, last=False),
                arrays={"value": np.array([float(index)])},
                cost=1,
            )


def places(stream: Iterator[Any]) -> list[tuple[int, int]]:
    return [
        (item.ordinal, -1 if isinstance(item, Failure) else item.window.index) for item in stream
    ]


@pytest.mark.parametrize("loaders", [0, 1, 3])
@pytest.mark.parametrize("breaks_at", [None, 5, 8, 20])
def test_order_does_not_depend_on_threads(loaders: int, breaks_at: int | None) -> None:
    source = Long(3, 50, 8, 16, 1, 33)
    positions = [Position(place, place) for place in range(len(source))]
    found = places(examples(source, positions, Windows(source, breaks_at), loaders=loaders))
    expected = []
    for ordinal, size in enumerate(source.sizes):
        broken = breaks_at is not None and breaks_at < size
        expected += [(ordinal, index) for index in range(breaks_at if broken else size)]
        expected += [(ordinal, -1)] * broken
    assert found == expected


@pytest.mark.parametrize("ahead", [2, 5])
def test_what_is_read_ahead_is_bounded(ahead: int) -> None:
    source = Long(*[60] * 12)
    windows = Windows(source)
    positions = [Position(place, place) for place in range(len(source))]
    taken = 0
    for _ in examples(source, positions, windows, loaders=2, ahead=ahead):
        assert windows.read - taken <= ahead * pipeline.FIRST
        taken += 1
    assert taken == windows.read == 60 * 12


def test_the_rest_of_a_long_record_is_read_beside_the_caller() -> None:
    source = Long(40)
    windows = Windows(source)
    assert len(list(examples(source, [Position(0, 0)], windows, loaders=1))) == 40
    assert threading.current_thread().name not in windows.readers


def test_strict_raises_what_a_reader_meets_late() -> None:
    source = Long(40)
    stream = examples(source, [Position(0, 0)], Windows(source, 30), strict=True, loaders=1)
    with pytest.raises(DataError, match="ends too early"):
        list(stream)
