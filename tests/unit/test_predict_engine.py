"""The prediction engine: input order, failures, bounded holding, threads change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.examples import Example, Outputs
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.core.windows import Span, Window


class Numbers:
    """Record i has ``sizes[i]`` windows; a negative size cannot be read, zero-based window 2 of
    record "late" breaks in the middle."""

    name = "numbers"

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Record:
        if self.sizes[index] < 0:
            raise DataError(f"record {index}", "is broken")
        return Record(id=str(index), fields={})

    def fingerprint(self) -> str:
        return "numbers"


def preprocess_for(source: Numbers, breaks_at: int | None = None) -> Any:
    def preprocess(ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        count = source.sizes[int(record.id)]
        for index in range(count):
            if index == breaks_at:
                raise DataError(record.id, "ends too early")
            cost = 1 + (7 * ordinal + 3 * index) % 11
            yield Example(
                ordinal=ordinal,
                window=Window(
                    record=record.id,
                    index=index,
                    region=Span(index, index + 1),
                    core=Span(index, index + 1),
                    last=index == count - 1,
                ),
                arrays={"value": np.array([float(ordinal * 1000 + index)])},
                cost=cost,
            )

    return preprocess


class Echo:
    """A runtime that returns what it is given."""

    name = "echo"
    precision = "float64"
    batches: list[int]

    def __init__(self, streams: int = 1) -> None:
        self.batches = []
        self.streams = streams

    def run(self, examples: Sequence[Example]) -> Outputs:
        self.batches.append(len(examples))
        return Outputs({"value": np.stack([item.arrays["value"] for item in examples])})

    def close(self) -> None:
        pass


class Collect:
    """A merger that keeps everything."""

    order_independent = True

    def __init__(self, record: str) -> None:
        self.record = record
        self.values: list[float] = []

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self.values.append(float(output["value"][0]))

    def finish(self) -> Result:
        receipt = Receipt(
            extent=len(self.values), unit="samples", windows=len(self.values), covered=1.0,
            dropped=0, merge="collect", fidelity="exact",
        )  # fmt: skip
        return Result(id=self.record, prediction=sorted(self.values), score=1.0, receipt=receipt)


SIZES = [3, 1, -1, 40, 2, 1, 1, -1, 5, 1]


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("loaders", [0, 1, 3])
@pytest.mark.parametrize("budget", [1, 20, 1000])
def test_results_come_in_input_order_with_every_window(
    loaders: int, budget: int, streams: int
) -> None:
    source = Numbers(SIZES)
    results = list(
        predict(
            source,
            (Position(i, i) for i in range(len(SIZES))),
            preprocess_for(source),
            Echo(streams),
            Collect,
            BatchPlan(budget=budget, look_ahead=4 * budget),
            loaders=loaders,
        )
    )
    assert len(results) == len(SIZES)
    for ordinal, (size, result) in enumerate(zip(SIZES, results, strict=True)):
        if size < 0:
            assert isinstance(result, ErrorResult)
            assert "is broken" in result.error
        else:
            assert isinstance(result, Result)
            assert result.id == str(ordinal)
            assert result.prediction == [1000.0 * ordinal + index for index in range(size)]


@pytest.mark.parametrize("streams", [1, 2])
def test_a_record_that_breaks_in_the_middle_is_an_error_and_the_rest_goes_on(streams: int) -> None:
    source = Numbers([2, 9, 2])
    results = list(
        predict(
            source,
            (Position(i, i) for i in range(3)),
            preprocess_for(source, breaks_at=4),
            Echo(streams),
            Collect,
            BatchPlan(budget=8),
        )
    )
    assert [type(result) for result in results] == [Result, ErrorResult, Result]


def test_strict_stops_at_the_first_unreadable_record() -> None:
    source = Numbers([1, -1, 1])
    stream = predict(
        source,
        (Position(i, i) for i in range(3)),
        preprocess_for(source),
        Echo(),
        Collect,
        BatchPlan(budget=1),
        strict=True,
    )
    with pytest.raises(DataError, match="is broken"):
        list(stream)


def test_windows_of_many_records_share_batches() -> None:
    source = Numbers([1] * 64)
    runtime = Echo()
    plan = BatchPlan(budget=1000, packed=True)
    counted: list[int] = []
    results = predict(
        source,
        (Position(i, i) for i in range(64)),
        preprocess_for(source),
        runtime,
        Collect,
        plan,
        on_windows=counted.append,
    )
    assert len(list(results)) == 64
    assert runtime.batches == [64]
    assert counted == [64]
