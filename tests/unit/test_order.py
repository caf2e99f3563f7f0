from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.training.order import Cursor, Order, Permutation, mix

SEEDS = st.integers(min_value=-(2**31), max_value=2**63)


@given(records=st.integers(1, 5000), seed=SEEDS, epoch=st.integers(0, 1000))
def test_permutation_is_a_bijection(records: int, seed: int, epoch: int) -> None:
    visited = Permutation(records, seed, epoch).block(0, records)
    assert np.array_equal(np.sort(visited), np.arange(records))


@given(
    records=st.one_of(st.integers(1, 300), st.integers(2**31, 2**62 - 1)),
    seed=SEEDS,
    data=st.data(),
)
def test_block_equals_place_by_place(records: int, seed: int, data: st.DataObject) -> None:
    permutation = Permutation(records, seed, 3)
    start = data.draw(st.integers(0, records - 1))
    stop = min(records, start + 20)
    block = permutation.block(start, stop).tolist()
    assert block == [permutation(place) for place in range(start, stop)]
    assert all(0 <= value < records for value in block)


def test_hundreds_of_millions_do_not_collide() -> None:
    records = 400_000_000
    permutation = Permutation(records, 1, 0)
    parts = [permutation.block(start, start + 20_000) for start in range(0, records, 20_000_000)]
    visited = np.concatenate(parts)
    assert len(np.unique(visited)) == len(visited)
    # A uniform draw over 20 bins of equal width: chi-squared with 19 degrees of freedom.
    counts = np.bincount(visited // 20_000_000, minlength=20)
    expected = len(visited) / 20
    assert float(((counts - expected) ** 2 / expected).sum()) < 50


def test_every_record_is_as_likely_at_every_place() -> None:
    records, draws = 7, 7000
    table = np.zeros((records, records))
    for epoch in range(draws):
        table[np.arange(records), Permutation(records, 5, epoch).block(0, records)] += 1
    expected = draws / records
    # (records - 1)^2 = 36 degrees of freedom: mean 36, standard deviation 8.5.
    assert float(((table - expected) ** 2 / expected).sum()) < 36 + 5 * 8.5


def test_neighbours_are_torn_apart() -> None:
    visited = Permutation(10_000, 11, 0).block(0, 10_000).astype(float)
    correlation = np.corrcoef(visited[:-1], visited[1:])[0, 1]
    assert abs(correlation) < 0.05
    assert abs(np.corrcoef(np.arange(10_000), visited)[0, 1]) < 0.05


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first = Permutation(1000, 1, 0).block(0, 1000)
    for other in (Permutation(1000, 1, 1), Permutation(1000, 2, 0)):
        # Two independent permutations agree at one place on average.
        assert int((first == other.block(0, 1000)).sum()) < 10


def test_an_order_stays_what_it_was() -> None:
    """A checkpoint of one version must mean the same in the next."""
    assert Permutation(12, 7, 2).block(0, 12).tolist() == [2, 1, 3, 6, 7, 8, 10, 9, 5, 11, 4, 0]
    assert mix("a", 1) == 45464548963205862
    assert mix("a", 1) != mix("a1")


@settings(deadline=None)
@given(
    records=st.integers(1, 400),
    batch=st.integers(1, 90),
    seed=SEEDS,
    segments=st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 12), st.integers(0, 5)), max_size=6
    ),
)
def test_exactly_once_across_kills_and_worker_counts(
    records: int, batch: int, seed: int, segments: list[tuple[int, int, int]]
) -> None:
    """Each segment runs some steps with its own worker count, then loses the uncommitted ones."""
    order = Order(records=records, batch=batch, seed=seed)
    committed: list[tuple[int, int]] = []
    cursor = Cursor()
    for workers, steps, lost in [*segments, (3, 10_000, 0)]:
        at = cursor
        streams: dict[int, list[tuple[int, int]]] = {}
        done: list[tuple[Cursor, list[tuple[int, int]]]] = []
        for _ in range(steps):
            if at.epoch == 2:
                break
            if not streams or at.place == 0:
                streams = {
                    worker: list(order.indices(at, worker, workers)) for worker in range(workers)
                }
            block = order.block(at)
            used = []
            for worker in range(workers):
                for place in block.share(worker, workers):
                    found, index = streams[worker].pop(0)
                    assert found == place
                    used.append((block.epoch, index))
            at = order.after(block)
            done.append((at, used))
        kept = done[: max(len(done) - lost, 0)]
        for _, used in kept:
            committed += used
        cursor = kept[-1][0] if kept else cursor
    assert cursor == Cursor(epoch=2, place=0, step=2 * order.steps_per_epoch)
    assert sorted(committed) == [(epoch, i) for epoch in range(2) for i in range(records)]


@pytest.mark.parametrize("records", [0, -1])
def test_nothing_to_order_is_refused(records: int) -> None:
    with pytest.raises(ConfigurationError, match="records"):
        Permutation(records, 0, 0)


def test_places_outside_are_refused() -> None:
    permutation = Permutation(5, 0, 0)
    with pytest.raises(IndexError):
        permutation(5)
    with pytest.raises(IndexError):
        permutation.block(2, 6)


@pytest.mark.parametrize("place", [0, 10_000_000, 399_999_000])
def test_starting_costs_the_same_everywhere(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going on from a cursor computes what the next step takes, and nothing before it."""
    computed = 0
    original = Permutation.block

    def counted(self: Permutation, start: int, stop: int) -> np.ndarray:
        nonlocal computed
        computed += stop - start
        return original(self, start, stop)

    monkeypatch.setattr(Permutation, "block", counted)
    order = Order(records=400_000_000, batch=64, seed=1)
    cursor = Cursor(epoch=3, place=place, step=9)
    found = list(islice(order.indices(cursor, worker=1, workers=2), 32))
    assert computed == 64
    assert [at for at, _ in found] == list(range(place + 1, place + 64, 2))
