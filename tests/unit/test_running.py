"""Batches through a runtime with streams: side by side, and yet in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from anysize.core.examples import Batch, Example, Failure, Outputs
from anysize.core.running import answers_of, run_through
from anysize.core.steps import ONE_RUN, Step
from anysize.core.windows import Span, Window
from anysize.planning.guard import GuardedStep, MemoryGuard


def batch(ordinal: int) -> Batch:
    window = Window(record="x", index=0, region=Span(0, 1), core=Span(0, 1), last=True)
    return Batch([Example(ordinal=ordinal, window=window, arrays={}, cost=1)])


class Meeting:
    """A runtime whose callers wait for each other, two and two."""

    name = precision = "meeting"
    streams = 2

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=30)

    def run(self, examples: Sequence[Example]) -> Outputs:
        self._barrier.wait()
        return Outputs({"ordinal": np.float32([item.ordinal for item in examples])})

    def close(self) -> None:
        pass


class Breaking(Meeting):
    """One whose third batch cannot be run."""

    def run(self, examples: Sequence[Example]) -> Outputs:
        outputs = super().run(examples)
        if examples[0].ordinal == 2:
            raise RuntimeError("breaks")
        return outputs


@pytest.fixture(params=["plain", "guarded"])
def step(request: pytest.FixtureRequest) -> Step:
    if request.param == "plain":
        return ONE_RUN
    return GuardedStep(ONE_RUN, MemoryGuard(1 << 50, 1, 1, 0), packed=False)


def test_batches_run_side_by_side_and_come_in_order(step: Step) -> None:
    failure = Failure(ordinal=9, record="9", problem="broken")
    stream = [batch(0), batch(1), failure, batch(2), batch(3)]
    seen: list[int | Failure] = []
    for item in answers_of(step, Meeting(), stream):
        if isinstance(item, Failure):
            seen.append(item)
            continue
        taken, answers = item
        assert [each.output["ordinal"] for each in answers] == [taken.examples[0].ordinal]
        seen.append(taken.examples[0].ordinal)
    assert [each for each in seen if each is not failure] == [0, 1, 2, 3]
    assert failure in seen


def test_no_more_batches_are_made_than_are_under_way() -> None:
    made: list[int] = []

    def stream() -> Iterator[Batch]:
        for ordinal in range(8):
            made.append(ordinal)
            yield batch(ordinal)

    for count, _ in enumerate(answers_of(ONE_RUN, Meeting(), stream()), 1):
        assert len(made) <= count + Meeting.streams


def test_an_error_is_raised_where_the_outputs_would_be() -> None:
    found = answers_of(ONE_RUN, Breaking(), [batch(ordinal) for ordinal in range(4)])
    assert [next(found) for _ in range(2)]
    with pytest.raises(RuntimeError, match="breaks"):
        next(found)


def test_a_runtime_without_streams_is_called_by_the_caller_alone() -> None:
    class Alone(Meeting):
        streams = 1

        def run(self, examples: Sequence[Example]) -> Outputs:
            assert threading.current_thread() is threading.main_thread()
            return Outputs({"ordinal": np.zeros(1, np.float32)})

    assert len(list(run_through(ONE_RUN, Alone(), [batch(0), batch(1)]))) == 2
