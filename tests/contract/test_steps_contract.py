"""Generate, carry, rounds: the same as one record at a time.

Three toy tasks go through the prediction engine. What each gives for a record is also worked out
here by a plain loop over that record alone.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.examples import Example, Outputs
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.pipeline import Position
from anysize.core.predict import predict, predict_stream
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, NextRound, PartialResult, Result
from anysize.core.steps import ONE_RUN, Generation, Step
from anysize.core.windows import Span, Window

LONG = 9
OPTIONS = GenerationOptions(most=12)


@dataclass
class Numbers:
    """A record's numbers; one of several fields that a source might have."""

    values: Sequence[int]
    origin: str = "numbers"

    def notes(self) -> tuple[str, ...]:
        return ("numbers were read",)


class Source:
    """Records of some numbers each, made when they are asked for; ``broken`` ones cannot be."""

    name = "toy"

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def values(self, index: int) -> list[int]:
        random = np.random.default_rng(index)
        return random.integers(1, 50, 1 + index % LONG).tolist()

    def __getitem__(self, index: int) -> Record:
        if index in self.broken:
            raise DataError(f"record {index}", "is broken")
        return make_record(str(index), self.values(index))

    def fingerprint(self) -> str:
        return "toy"


def make_record(name: str, values: Sequence[int]) -> Record:
    return Record(id=name, fields={"numbers": Numbers(values)})  # type: ignore[dict-item]


def values_of(record: Record) -> Sequence[int]:
    return record.fields["numbers"].values  # type: ignore[union-attr]


def receipt(extent: int, windows: int) -> Receipt:
    return Receipt(
        extent=extent, unit="steps", windows=windows, covered=1.0, dropped=0, merge="toy",
        fidelity="exact",
    )  # fmt: skip


def example(ordinal: int, record: str, index: int, arrays: Any, *, last: bool = False) -> Example:
    span = Span(index, index + 1)
    window = Window(record=record, index=index, region=span, core=span, last=last)
    found = {name: np.asarray(value, np.int64) for name, value in arrays.items()}
    return Example(ordinal=ordinal, window=window, arrays=found, cost=found["value"].size)


@dataclass
class Spoiler:
    """Spoils what the test asks for: a window that cannot be read, or run, or merged."""

    where: str = ""
    record: str = ""

    def reads(self, record: str, index: int) -> None:
        if self.where == "reading" and record == self.record and index == 2:
            raise DataError(record, "ends too early")

    def merges(self, record: str, index: int) -> None:
        if self.where == "merging" and record == self.record and index == 2:
            raise DataError(record, "has no such word")

    def runs(self, item: Example) -> bool:
        return (
            self.where == "running" and item.window.record == self.record and item.window.index == 2
        )


@dataclass
class Watch:
    """Counts what is alive."""

    mergers: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    most: int = 0
    closed: int = 0
    begun: int = 0

    def see(self, merger: Any) -> None:
        self.mergers.add(merger)
        self.most = max(self.most, len(self.mergers))


class Merger:
    """Keeps each window's number in order."""

    order_independent = False

    def __init__(self, record: str, toy: Toy) -> None:
        self.record, self.toy = record, toy
        self.found: dict[int, Any] = {}
        toy.watch.see(self)

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self.toy.spoiler.merges(self.record, window.index)
        self.found[window.index] = self.toy.taken(output)

    def finish(self) -> Result | NextRound:
        ordered = [self.found[index] for index in sorted(self.found)]
        told = receipt(self.toy.extent(ordered), len(ordered))
        again = self.toy.again(ordered)
        if again is not None:
            return NextRound(record=make_record("parts of it", again), receipt=told)
        return Result(id=self.record, prediction=ordered, score=1.0, receipt=told)

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        return self.toy.taken(output)


@dataclass
class Toy:
    """What the three have in common."""

    spoiler: Spoiler = field(default_factory=Spoiler)
    watch: Watch = field(default_factory=Watch)
    step: Step = ONE_RUN
    carries = False

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        raise NotImplementedError

    def runtime(self, streams: int = 1) -> Any:
        return Sums(self.spoiler, streams)

    def taken(self, output: Mapping[str, Any]) -> Any:
        return int(output["value"])

    def extent(self, ordered: Sequence[Any]) -> int:
        return len(ordered)

    def again(self, ordered: Sequence[Any]) -> Sequence[int] | None:
        return None

    def expected(self, values: Sequence[int]) -> Any:
        raise NotImplementedError

    def merger(self, record: str) -> Merger:
        return Merger(record, self)


class Sums:
    """A model that adds up what it is given, modulo 97; it stops where it is told to."""

    name = precision = "sums"
    packed = False

    def __init__(self, spoiler: Spoiler, streams: int = 1) -> None:
        self.spoiler, self.streams = spoiler, streams
        self.batches: list[list[Example]] = []

    def run(self, examples: Sequence[Example]) -> Outputs:
        self.batches.append(list(examples))
        found = [float(item.arrays["value"].sum() % 97) for item in examples]
        spoilt = [float("nan") if self.spoiler.runs(item) else one
                  for item, one in zip(examples, found, strict=True)]  # fmt: skip
        return Outputs({"value": np.float32(spoilt)})

    def close(self) -> None:
        pass


def next_token(prompt: Sequence[int], grown: Sequence[int]) -> int:
    return (sum(prompt) + 7 * len(grown) + sum(grown)) % 11


class Writer:
    """Generates by a rule, row by row; token 0 ends a sequence. It says what its cache holds."""

    name = precision = "writer"
    token_bytes = 8
    streams = 1

    def __init__(self, spoiler: Spoiler) -> None:
        self.spoiler = spoiler
        self.batches: list[list[Example]] = []
        self.held: list[int] = []

    def generate(
        self,
        examples: Sequence[Example],
        options: GenerationOptions,
        *,
        limits: Sequence[int] | None = None,
        partial: bool = False,
    ) -> Iterator[Growth]:
        self.batches.append(list(examples))
        limits = limits or [options.most] * len(examples)
        alive: dict[int, list[int]] = {row: [] for row in range(len(examples))}
        while alive:
            for row, grown in list(alive.items()):
                prompt = examples[row].arrays["value"].tolist()
                token = next_token(prompt, grown)
                if self.spoiler.runs(examples[row]) and len(grown) == 1:
                    del alive[row]
                    yield Growth(row, np.int32([]), 0.0, problem="the decoder lost its place")
                    continue
                ending = None
                if token == 0 and len(grown) >= options.least:
                    ending = "end"
                else:
                    grown.append(token)
                    ending = "length" if len(grown) == limits[row] else None
                if ending:
                    del alive[row]
                if ending or partial:
                    yield Growth(row, np.int32(grown), -0.5 * len(grown), ending)  # type: ignore[arg-type]
            self.held.append(sum(len(examples[row].arrays["value"]) + len(grown)
                                 for row, grown in alive.items()))  # fmt: skip

    def close(self) -> None:
        pass


class Generating(Toy):
    """Every number is a prompt, repeated as often as its value says; a sequence is generated."""

    def __init__(self) -> None:
        super().__init__(step=Generation(options=OPTIONS))

    def runtime(self, streams: int = 1) -> Any:
        return Writer(self.spoiler)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        values = values_of(record)
        for index, value in enumerate(values):
            self.spoiler.reads(record.id, index)
            prompt = [value] * (1 + value % 5)
            yield example(
                ordinal, record.id, index, {"value": prompt}, last=index == len(values) - 1
            )

    def taken(self, output: Mapping[str, Any]) -> Any:
        return output["tokens"].tolist()

    def expected(self, values: Sequence[int]) -> Any:
        return [self._sequence([value] * (1 + value % 5)) for value in values]

    def _sequence(self, prompt: Sequence[int]) -> list[int]:
        grown: list[int] = []
        while len(grown) < OPTIONS.most and (token := next_token(prompt, grown)):
            grown.append(token)
        return grown


class Carrying(Toy):
    """What a window gives is added to the next, and says how many numbers the next one reads."""

    carries = True

    def __call__(
        self, ordinal: int, record: Record, draw: int | None = None
    ) -> Generator[Example, Mapping[str, Any] | None, None]:
        self.watch.begun += 1
        try:
            values = list(values_of(record))
            place = index = carry = 0
            while place < len(values):
                self.spoiler.reads(record.id, index)
                read = values[place : place + 1 + carry % 3]
                output = yield example(ordinal, record.id, index, {"value": [carry, *read]})
                place += len(read)
                carry = 0 if output is None else int(output["value"])
                index += 1
        finally:
            self.watch.closed += 1

    def expected(self, values: Sequence[int]) -> Any:
        found = []
        place = carry = 0
        while place < len(values):
            read = values[place : place + 1 + carry % 3]
            carry = (carry + sum(read)) % 97
            place += len(read)
            found.append(carry)
        return found


def threes(values: Sequence[int]) -> list[Sequence[int]]:
    return [values[start : start + 3] for start in range(0, len(values), 3)]


class Repeating(Toy):
    """Sums of three numbers are numbers again, until there is one."""

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        parts = threes(values_of(record))
        for index, part in enumerate(parts):
            self.spoiler.reads(record.id, index)
            yield example(ordinal, record.id, index, {"value": part}, last=index == len(parts) - 1)

    def again(self, ordered: Sequence[Any]) -> Sequence[int] | None:
        return list(ordered) if len(ordered) > 1 else None

    def expected(self, values: Sequence[int]) -> Any:
        while True:
            values = [sum(each) % 97 for each in threes(values)]
            if len(values) == 1:
                return values


class CarryingRounds(Carrying):
    """A record whose windows carry is read again, as what they gave."""

    def again(self, ordered: Sequence[Any]) -> Sequence[int] | None:
        return list(ordered[:-1]) if len(ordered) > 1 else None

    def expected(self, values: Sequence[int]) -> Any:
        while len(found := super().expected(values)) > 1:
            values = found[:-1]
        return found


TOYS: list[Callable[[], Toy]] = [Generating, Carrying, Repeating, CarryingRounds]


def results(
    toy: Toy, source: Source, budget: int = 24, streams: int = 1, runtime: Any = None, **more: Any
) -> Iterator[Result | ErrorResult]:
    preprocess: Preprocess = toy
    return predict(
        source,
        (Position(index, index) for index in range(len(source))),
        preprocess,
        runtime or toy.runtime(streams),
        toy.merger,
        BatchPlan(budget=budget, look_ahead=2 * budget),
        step=toy.step,
        **more,
    )


@pytest.mark.parametrize("make", TOYS)
@pytest.mark.parametrize("loaders", [0, 2])
@pytest.mark.parametrize("budget", [1, 24, 1000])
def test_the_same_as_one_record_at_a_time_in_input_order(
    make: Callable[[], Toy], budget: int, loaders: int
) -> None:
    source = Source(40)
    toy = make()
    found = list(results(toy, source, budget, loaders=loaders))
    assert [one.id for one in found] == [str(index) for index in range(40)]
    for index, one in enumerate(found):
        assert isinstance(one, Result)
        assert one.prediction == toy.expected(source.values(index))
    assert toy.watch.begun == toy.watch.closed


@pytest.mark.parametrize("make", [Carrying, Repeating])
def test_streams_of_the_runtime_change_nothing(make: Callable[[], Toy]) -> None:
    source = Source(40)
    one, three = ([item.prediction for item in results(make(), source, streams=streams)]  # type: ignore[union-attr]
                  for streams in (1, 3))  # fmt: skip
    assert one == three


@pytest.mark.parametrize("make", TOYS)
def test_records_share_batches(make: Callable[[], Toy]) -> None:
    toy = make()
    runtime = toy.runtime()
    list(results(toy, Source(40), 1000, runtime=runtime))
    owners = [{item.ordinal for item in batch} for batch in runtime.batches]
    assert max(map(len, owners)) > 10
    if toy.carries:
        # Of each record one window at a time.
        assert all(len(batch) == len(one) for batch, one in zip(runtime.batches, owners))  # noqa: B905


@pytest.mark.parametrize("make", TOYS)
@pytest.mark.parametrize("where", ["reading", "running", "merging"])
def test_a_failure_in_the_middle_of_a_record_costs_that_record_alone(
    make: Callable[[], Toy], where: str
) -> None:
    source = Source(30, broken=[4])
    toy = make()
    toy.spoiler.where, toy.spoiler.record = where, "17"
    found = list(results(toy, source))
    assert [one.id for one in found if isinstance(one, ErrorResult)] == ["record 4", "17"]
    for index, one in enumerate(found):
        if isinstance(one, Result):
            assert one.prediction == toy.expected(source.values(index))
    assert toy.watch.begun == toy.watch.closed

    strict = results(toy, source, strict=True)
    with pytest.raises(DataError, match=r"record 4 is broken|record 4: is broken"):
        list(strict)


@pytest.mark.parametrize("make", TOYS)
def test_an_interruption_leaves_whole_results_and_nothing_open(make: Callable[[], Toy]) -> None:
    toy, source = make(), Source(200)
    runtime = toy.runtime()
    work = runtime.run if hasattr(runtime, "run") else runtime.generate
    calls = itertools.count()

    def interrupted(*arguments: Any, **settings: Any) -> Any:
        if next(calls) == 6:
            raise KeyboardInterrupt
        return work(*arguments, **settings)

    setattr(runtime, work.__name__, interrupted)
    found: list[Result | ErrorResult] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(results(toy, source, runtime=runtime))
    assert 0 < len(found) < 200
    for index, one in enumerate(found):
        assert isinstance(one, Result)
        assert one.prediction == toy.expected(source.values(index))
    assert toy.watch.begun == toy.watch.closed


@pytest.mark.parametrize("make", TOYS)
def test_memory_does_not_grow_with_the_number_of_records(make: Callable[[], Toy]) -> None:
    most = []
    for count in (300, 900):
        toy = make()
        for _ in results(toy, Source(count), budget=60):
            pass
        most.append(toy.watch.most)
    assert most[1] <= most[0] + 2
    assert most[1] <= 130


def test_a_long_record_that_carries_holds_a_bounded_number_of_others() -> None:
    """Results that wait for the first record's are held as well."""

    class OneLong(Source):
        def values(self, index: int) -> list[int]:
            return [3] * 300 if index == 0 else [1]

    toy = Carrying()
    drawn: list[int] = []

    def positions() -> Iterator[Position]:
        for index in range(500):
            drawn.append(index)
            yield Position(index, index)

    stream = predict(
        OneLong(500), positions(), toy, toy.runtime(), toy.merger, BatchPlan(budget=10_000)
    )
    assert next(stream).id == "0"
    assert len(drawn) <= 2 * 64


def test_the_receipt_of_several_rounds_says_all_that_was_read() -> None:
    (found,) = results(Repeating(), Source(1), budget=4)
    assert isinstance(found, Result)
    assert not found.receipt.rounds
    source = Source(9)
    *_, found = results(Repeating(), source, budget=4)  # nine numbers: three sums, then one
    assert isinstance(found, Result)
    assert found.receipt.windows == 3 + 1
    assert (found.receipt.extent, found.receipt.rounds[0].extent) == (3, 1)
    assert found.receipt.notes == found.receipt.rounds[0].notes == ("numbers were read",)
    entries = found.to_json()["receipt"]
    assert entries["rounds"][0]["windows"] == 1
    assert "rounds" not in entries["rounds"][0]


def test_receipts_of_rounds_are_joined() -> None:
    first = receipt(10, 4)
    second = Receipt(
        extent=4, unit="steps", windows=2, covered=0.5, dropped=2, merge="toy",
        fidelity="approximate", reason="two were too long",
    )  # fmt: skip
    joined = first.with_rounds([second])
    assert (joined.extent, joined.windows, joined.covered) == (10, 6, 0.5)
    assert joined.fidelity == "approximate"
    assert joined.reason == "round 2: two were too long"


def test_rounds_without_end_fail_the_record() -> None:
    class Endless(Repeating):
        def again(self, ordered: Sequence[Any]) -> Sequence[int] | None:
            return [1, 2] if ordered == [3] else super().again(ordered)

    class Pairs(Source):
        def values(self, index: int) -> list[int]:
            return [1, 2] if index == 1 else [5]

    found = list(results(Endless(), Pairs(3), most_rounds=5))
    assert [type(one) for one in found] == [Result, ErrorResult, Result]
    assert isinstance(found[1], ErrorResult) and "after 5 rounds" in found[1].error


@pytest.mark.parametrize("make", TOYS)
def test_partial_results_come_before_the_result_and_change_nothing(make: Callable[[], Toy]) -> None:
    toy, source = make(), Source(20)
    stream = predict_stream(
        source,
        (Position(index, index) for index in range(20)),
        toy,
        toy.runtime(),
        toy.merger,
        BatchPlan(budget=60),
        step=toy.step,
    )
    shown: dict[str, list[PartialResult]] = {}
    finished: list[str] = []
    for one in stream:
        if isinstance(one, PartialResult):
            assert one.id not in finished
            shown.setdefault(one.id, []).append(one)
        else:
            assert isinstance(one, Result)
            assert one.prediction == toy.expected(source.values(int(one.id)))
            finished.append(one.id)
    assert finished == [str(index) for index in range(20)]
    assert shown.keys() == set(finished)
    if isinstance(toy, Generating):
        first = [one.partial for one in shown["0"] if one.window == 0]
        assert [len(each) for each in first[:3]] == [1, 2, 3]
        assert first[-1] == toy.expected(source.values(0))[0]


def test_batches_of_a_generation_count_what_its_cache_grows_to() -> None:
    toy = Generating()
    runtime = toy.runtime()
    list(results(toy, Source(60), budget=100, runtime=runtime))
    for batch in runtime.batches:
        longest = max(len(item.arrays["value"]) for item in batch)
        assert len(batch) * (longest + OPTIONS.most) <= 100
    assert max(runtime.held) <= 100


def test_limits_of_a_generation_follow_the_prompt() -> None:
    step = Generation(options=GenerationOptions(most=100, least=4), per_unit=0.5, token_cost=2.0)
    assert [step.new_tokens(own) for own in (1, 10, 150, 500)] == [4, 5, 75, 100]
    assert step.cost(10) == 10 + 2 * 5
