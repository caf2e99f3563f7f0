"""Batches by cost: nothing lost, nothing over budget, little padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.batches import BatchPlan, batches
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Batch, Example, Failure
from anysize.core.windows import Span, Window


def example(ordinal: int, cost: int) -> Example:
    span = Span(0, cost)
    window = Window(record=str(ordinal), index=0, region=span, core=span, last=True)
    return Example(ordinal=ordinal, window=window, arrays={"x": np.zeros(cost)}, cost=cost)


@given(
    st.lists(st.integers(1, 500), max_size=200),
    st.integers(1, 1000),
    st.integers(0, 3000),
    st.integers(1, 40),
    st.booleans(),
)
def test_every_example_once_and_no_batch_over_budget(
    costs: list[int], budget: int, look_ahead: int, most: int, packed: bool
) -> None:
    plan = BatchPlan(budget=budget, packed=packed, look_ahead=look_ahead, most=most)
    made = list(batches((example(i, cost) for i, cost in enumerate(costs)), plan))
    seen = [item.ordinal for batch in made if isinstance(batch, Batch) for item in batch.examples]
    assert sorted(seen) == list(range(len(costs)))
    for batch in made:
        assert isinstance(batch, Batch)
        assert len(batch.examples) <= most
        if len(batch.examples) > 1:
            assert (batch.cost if packed else batch.padded_cost) <= budget


def test_sorting_inside_the_look_ahead_leaves_little_padding() -> None:
    rng = np.random.default_rng(0)
    costs = np.clip(rng.lognormal(4, 0.8, 2000), 4, 512).astype(int)
    stream = [example(i, int(cost)) for i, cost in enumerate(costs)]

    def padding(look_ahead: int) -> float:
        made = batches(stream, BatchPlan(budget=4096, look_ahead=look_ahead))
        whole = [batch for batch in made if isinstance(batch, Batch)]
        return sum(batch.padded_cost for batch in whole) / int(costs.sum()) - 1

    assert padding(16 * 4096) < 0.15
    assert padding(16 * 4096) < padding(0) / 3


def test_a_batch_is_closed_before_padding_eats_it() -> None:
    stream = [example(i, cost) for i, cost in enumerate([40] * 30 + [20] * 30)]
    made = list(batches(stream, BatchPlan(budget=4000, look_ahead=4000)))
    assert [len(each.examples) for each in made if isinstance(each, Batch)] == [30, 30]
    # Not where so little is together that a batch of its own would cost more than the padding.
    made = list(batches(stream[20:45], BatchPlan(budget=4000, look_ahead=4000)))
    assert [len(each.examples) for each in made if isinstance(each, Batch)] == [25]
    packed = list(batches(stream, BatchPlan(budget=4000, look_ahead=4000, packed=True)))
    assert len(packed) == 1


def test_failures_pass_through_in_place() -> None:
    failure = Failure(ordinal=1, record="b", problem="broken")
    made = list(batches([example(0, 3), failure, example(2, 3)], BatchPlan(budget=100)))
    assert made[0] is failure
    assert isinstance(made[1], Batch)
    assert [item.ordinal for item in made[1].examples] == [0, 2]


def test_what_is_held_is_bounded_by_the_look_ahead() -> None:
    taken = 0

    def stream() -> object:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield example(i, 10)

    first = next(batches(stream(), BatchPlan(budget=50, look_ahead=200)))  # type: ignore[arg-type]
    assert isinstance(first, Batch)
    assert taken <= 20


def test_all_faults_of_a_plan_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        BatchPlan(budget=0, look_ahead=-1, most=0)
    assert len(caught.value.problems) == 3
