"""Error rates against brute force: ties, few scores, blocks, identification."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import DataError
from anysize.recognition import pairs
from anysize.recognition.scores import BINS, ScoreCounts, bins_of


def scores_from(genuine: Sequence[float], impostor: Sequence[float]) -> ScoreCounts:
    """Counts of two lists of cosines."""
    counts = ScoreCounts()
    scores = np.array([*genuine, *impostor], dtype=np.float64)
    counts.add(scores, np.arange(len(scores)) < len(genuine))
    return counts


def brute(genuine: list[float], impostor: list[float]) -> float:
    """The equal error rate by trying every threshold, with straight lines between them."""
    thresholds = [*sorted({*genuine, *impostor}), math.inf]
    points = [
        (
            sum(score >= threshold for score in impostor) / len(impostor),
            sum(score < threshold for score in genuine) / len(genuine),
        )
        for threshold in thresholds
    ]
    for (far, frr), (next_far, next_frr) in itertools.pairwise(points):
        if next_frr >= next_far:
            part = (far - frr) / ((far - frr) + (next_frr - next_far))
            return far + part * (next_far - far)
    raise AssertionError


# Multiples of a bin's width are exact, so that binning changes nothing.
score = st.integers(0, 40).map(lambda step: step / 20 - 1 + 1 / BINS)


@settings(max_examples=200, deadline=None)
@given(st.lists(score, min_size=1, max_size=12), st.lists(score, min_size=1, max_size=12))
def test_equal_error_rate_equals_brute_force(genuine: list[float], impostor: list[float]) -> None:
    rates = scores_from(genuine, impostor).rates()
    assert rates.equal_error()[0] == pytest.approx(brute(genuine, impostor), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(score, min_size=1, max_size=12),
    st.lists(score, min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_operating_point_equals_brute_force(
    genuine: list[float], impostor: list[float], rate: float
) -> None:
    point = scores_from(genuine, impostor).rates().at_false_accept(rate)
    candidates = [
        threshold
        for threshold in [*sorted({*genuine, *impostor}), 2.0]
        if sum(value >= threshold for value in impostor) / len(impostor) <= rate
    ]
    best = min(candidates)
    assert point.true_accept_rate == sum(value >= best for value in genuine) / len(genuine)
    assert point.false_accept_rate <= rate


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.2], 0.0),
        ([0.1, 0.2], [0.9, 0.8], 1.0),
        ([0.5], [0.5], 0.5),
        ([0.5] * 9, [0.5], 0.5),
        ([1.0], [-1.0], 0.0),
    ],
)
def test_known_equal_error_rates(
    genuine: list[float], impostor: list[float], expected: float
) -> None:
    assert scores_from(genuine, impostor).rates().equal_error()[0] == pytest.approx(expected)


def test_threshold_of_the_equal_error_rate_gives_about_that_rate() -> None:
    rng = np.random.default_rng(0)
    counts = scores_from(list(rng.normal(0.5, 0.1, 5000)), list(rng.normal(0.1, 0.1, 9000)))
    rate, threshold = counts.rates().equal_error()
    point = counts.rates().at_threshold(threshold)
    assert point.false_accept_rate == pytest.approx(rate, abs=1e-3)
    assert 1 - point.true_accept_rate == pytest.approx(rate, abs=1e-3)
    # Two normal distributions two deviations from the middle: 2.28 %.
    assert rate == pytest.approx(0.0228, abs=4e-3)


def test_counts_of_parts_add_up() -> None:
    rng = np.random.default_rng(1)
    scores, same = rng.uniform(-1, 1, 500), rng.random(500) < 0.3
    whole, parts = ScoreCounts(), ScoreCounts()
    whole.add(scores, same)
    for chosen in (slice(0, 100), slice(100, None)):
        part = ScoreCounts()
        part.add(scores[chosen], same[chosen])
        parts.join(part)
    assert parts.rates().equal_error() == whole.rates().equal_error()
    assert sum(bars.sum() for bars in whole.histogram(64)) == 500


def test_one_kind_of_pair_alone_is_refused() -> None:
    with pytest.raises(DataError, match="two samples"):
        scores_from([], [0.5]).rates()


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(DataError):
        bins_of(np.array([0.1, np.nan]))
    assert bins_of(np.array([1.0000001, -1.0000001])).tolist() == [BINS - 1, 0]


def people(count: int, samples: int, spread: float, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(count), samples)
    vectors = rng.normal(size=(count, 8))[identities] + spread * rng.normal(
        size=(len(identities), 8)
    )
    order = rng.permutation(len(identities))
    return pairs.unit_vectors(vectors[order]), identities[order]


def test_pairs_in_blocks_equal_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, identities = people(7, 5, 0.8)
    monkeypatch.setattr(pairs, "BLOCK_VALUES", 100)
    counts = pairs.pair_counts(vectors, identities)
    genuine, impostor = [], []
    for i, j in itertools.combinations(range(len(vectors)), 2):
        (genuine if identities[i] == identities[j] else impostor).append(
            float(vectors[i] @ vectors[j])
        )
    assert (counts.genuine, counts.impostor) == (len(genuine), len(impostor))
    assert counts.rates().equal_error()[0] == pytest.approx(
        scores_from(genuine, impostor).rates().equal_error()[0], abs=1e-6
    )


def test_identification_equals_trying_every_gallery() -> None:
    vectors, identities = people(4, 3, 1.5)
    left_out, one_each, nearest = pairs.rank_one(vectors, identities)
    scores = vectors @ vectors.T
    right = 0
    for probe in range(12):
        others = [i for i in range(12) if i != probe]
        best = max(others, key=lambda i: scores[probe, i])
        assert nearest[probe] == best
        right += identities[best] == identities[probe]
    assert left_out == right / 12
    outcomes = []
    for probe in range(12):
        for gallery in itertools.product(
            *[np.flatnonzero(identities == person) for person in range(4)]
        ):
            if probe in gallery:
                continue
            best = max(gallery, key=lambda i: scores[probe, i])
            outcomes.append((probe, identities[best] == identities[probe]))
    by_probe = [np.mean([ok for p, ok in outcomes if p == probe]) for probe in range(12)]
    assert 0.2 < one_each < 1
    assert one_each == pytest.approx(np.mean(by_probe), abs=1e-9)


def test_ties_count_as_wrong_in_identification() -> None:
    same = np.tile([[1.0, 0.0]], (4, 1)).astype(np.float32)
    left_out, one_each, _ = pairs.rank_one(same, np.array([0, 0, 1, 1]))
    assert (left_out, one_each) == (0.0, 0.0)


def test_a_person_with_one_sample_is_not_searched_for() -> None:
    vectors, identities = people(4, 3, 0.1)
    keep = np.flatnonzero((identities != 3) | (np.cumsum(identities == 3) == 1))
    left_out, one_each, _ = pairs.rank_one(vectors[keep], identities[keep])
    assert (left_out, one_each) == (1.0, 1.0)
    with pytest.raises(DataError):
        pairs.rank_one(vectors[:1], np.array([0]))


def test_interval_over_people_holds_the_rate_and_is_wider_than_pairs_would_make_it() -> None:
    vectors, identities = people(12, 6, 1.2, seed=3)
    rate = pairs.pair_counts(vectors, identities).rates().equal_error()[0]
    low, high = pairs.bootstrap_equal_error(vectors, identities, replicates=100)
    assert low < rate < high
    independent = 2 * 1.96 * math.sqrt(rate * (1 - rate) / (12 * 15))
    assert high - low > 0.5 * independent
    assert (low, high) == pairs.bootstrap_equal_error(vectors, identities, replicates=100)


def test_vectors_that_are_zero_are_refused() -> None:
    with pytest.raises(DataError):
        pairs.unit_vectors(np.array([[0.0, 0.0], [1.0, 0.0]]))
