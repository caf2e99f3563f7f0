"""The guard: trims, halves, says so; and a guarded step gives the same outputs."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import numpy as np
import pytest

from anysize.core import memory
from anysize.core.examples import Example, Outputs
from anysize.core.steps import ONE_RUN
from anysize.core.windows import Span, Window
from anysize.planning import guard as guarding
from anysize.planning.guard import GuardedStep, MemoryGuard

GIB = 1 << 30


class Sizes:
    """Made-up sizes of this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident = GIB // 4
        self.peak = GIB // 4
        self.trims = 0
        self.tightened = 0
        monkeypatch.setattr(memory, "resident", lambda: self.resident)
        monkeypatch.setattr(memory, "peak", lambda: self.peak)
        monkeypatch.setattr(memory, "trim", self._trim)
        monkeypatch.setattr(memory, "tighten_heap", self._tighten)

    def _trim(self) -> None:
        self.trims += 1

    def _tighten(self) -> None:
        self.tightened += 1


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Sizes:
    return Sizes(monkeypatch)


def test_nothing_happens_with_room_to_spare(sizes: Sizes, caplog: pytest.LogCaptureFixture) -> None:
    guard = MemoryGuard(GIB, 4096, 512, GIB // 4)
    assert [guard.check() for _ in range(5)] == [4096] * 5
    assert not sizes.trims
    assert not caplog.records


def test_holes_in_the_heap_are_given_back_before_they_are_in_the_way(sizes: Sizes) -> None:
    guard = MemoryGuard(GIB, 4096, 512, GIB // 4)
    sizes.resident = int(0.8 * GIB)
    assert guard.check() == 4096
    assert sizes.trims == 1


def test_holes_larger_than_a_batch_leaves_are_given_back_in_a_long_run(
    sizes: Sizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(guarding.time, "monotonic", lambda: next(clock) // 1000)
    guard = MemoryGuard(16 * GIB, 4096, 512, GIB // 4)
    trims = []
    for grown in (0, 8, 4, 8, 9, 12, 12, 13):  # in parts of 1/32 GiB; a batch leaves 8, then 3
        sizes.resident = GIB // 4 + grown * GIB // 32
        guard.check()
        trims.append(sizes.trims)
    # What stays after giving back is held: it is not given back again.
    assert trims == [0, 0, 0, 0, 1, 1, 1, 2]


def test_giving_back_holes_takes_little_of_the_time(
    sizes: Sizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(guarding.time, "monotonic", lambda: now[0])

    def slow() -> None:
        sizes.trims += 1
        now[0] += 1.0

    monkeypatch.setattr(memory, "trim", slow)
    guard = MemoryGuard(16 * GIB, 4096, 512, GIB // 4)
    for step in range(100):
        sizes.resident += GIB // 16
        guard.check()
        now[0] += 2.0
        assert sizes.trims <= 1 + 2 * step / 50
    assert sizes.trims > 2


def test_cost_is_halved_for_each_new_height_and_never_below_a_window(
    sizes: Sizes, caplog: pytest.LogCaptureFixture
) -> None:
    guard = MemoryGuard(GIB, 2048, 512, GIB // 4)
    costs = []
    with caplog.at_level(logging.WARNING, "anysize"):
        for height in (0.95, 0.95, 0.97, 0.99, 1.1, 1.1):
            sizes.peak = int(height * GIB)
            costs.append(guard.check())
    assert costs == [1024, 1024, 512, 512, 512, 512]
    assert sizes.tightened == 1
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert "batches of 1024 from now on instead of 2048" in messages[0]
    assert "over the budget" in messages[-1]


class Counting:
    """Outputs each window's first id; notes the batches it ran."""

    name = "counting"
    precision = "float32"

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def run(self, examples: Sequence[Example]) -> Outputs:
        self.batches.append([example.cost for example in examples])
        first = np.array([[example.arrays["input_ids"][0]] for example in examples], np.float32)
        return Outputs({"logits": first})

    def close(self) -> None:
        pass


def windows(lengths: Sequence[int]) -> list[Example]:
    found = []
    for ordinal, length in enumerate(lengths):
        span = Span(0, length)
        found.append(
            Example(
                ordinal=ordinal,
                window=Window(record=str(ordinal), index=0, region=span, core=span, last=True),
                arrays={"input_ids": np.full(length, ordinal, np.int32)},
                cost=length,
            )
        )
    return found


@pytest.mark.parametrize("packed", [True, False])
def test_a_guarded_step_gives_the_same_outputs_in_smaller_pieces(
    sizes: Sizes, packed: bool
) -> None:
    runtime = Counting()
    guard = MemoryGuard(GIB, 1000, 100, 0)
    guarded = GuardedStep(ONE_RUN, guard, packed=packed)
    batch = windows([300, 200, 200, 120, 80, 60, 40])
    whole = [each.output["logits"] for each in guarded.answers(runtime, batch)]
    assert len(runtime.batches) == 1
    sizes.peak = int(0.97 * GIB)
    pieces = [each.output["logits"] for each in guarded.answers(runtime, batch)]
    np.testing.assert_array_equal(whole, pieces)
    small = runtime.batches[1:]
    assert len(small) > 1
    for costs in small:
        cost = sum(costs) if packed else max(costs) * len(costs)
        assert cost <= 500 or len(costs) == 1
