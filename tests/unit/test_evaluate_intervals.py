"""Intervals and paired tests against SciPy and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from anysize.core.errors import ConfigurationError
from anysize.evaluation.intervals import (
    PairedCounts,
    bootstrap_macro_f1,
    mcnemar,
    paired_difference,
    wilson,
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), trials=st.integers(1, 5000), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(data: st.DataObject, trials: int, level: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    interval = wilson(successes, trials, level)
    assert interval.low == pytest.approx(expected.low, abs=1e-9)
    assert interval.high == pytest.approx(expected.high, abs=1e-9)
    assert interval.low <= successes / trials <= interval.high


@settings(max_examples=60, deadline=None)
@given(one=st.integers(0, 3000), two=st.integers(0, 3000))
def test_mcnemar_is_the_exact_binomial_test(one: int, two: int) -> None:
    if one + two == 0:
        assert mcnemar(one, two) == 1.0
        return
    expected = stats.binomtest(min(one, two), one + two).pvalue
    # The smallest of scipy's are 0.
    assert mcnemar(one, two) == pytest.approx(expected, rel=1e-6, abs=1e-280)


def test_mcnemar_of_a_million_records_does_not_overflow() -> None:
    assert mcnemar(500_000, 400_000) == 0.0
    assert 0.2 < mcnemar(500_500, 499_500) < 0.4


def test_paired_counts_of_two_lists() -> None:
    counts = PairedCounts.of([True, True, False, False, True], [True, False, True, False, True])
    assert counts == PairedCounts(both=2, first_only=1, second_only=1, neither=1)
    with pytest.raises(ConfigurationError, match="same records"):
        PairedCounts.of([True], [True, False])


def test_paired_bootstrap_equals_drawing_records() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.random(400) < 0.8, generator.random(400) < 0.7
    gap = first.astype(float) - second
    drawn = [gap[generator.integers(400, size=400)].mean() for _ in range(4000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    result = paired_difference(PairedCounts.of(first, second), seed=1)
    assert result.difference == pytest.approx(gap.mean())
    assert result.interval.low == pytest.approx(low, abs=0.008)
    assert result.interval.high == pytest.approx(high, abs=0.008)


def test_paired_difference_of_equal_systems_is_nothing() -> None:
    same = paired_difference(PairedCounts(both=70, first_only=0, second_only=0, neither=30))
    assert (same.difference, same.interval.low, same.interval.high, same.p_value) == (0, 0, 0, 1)


def test_bootstraps_are_seeded() -> None:
    counts = PairedCounts(both=7000, first_only=900, second_only=400, neither=3000)
    assert paired_difference(counts, seed=3) == paired_difference(counts, seed=3)
    assert paired_difference(counts, seed=3) != paired_difference(counts, seed=4)


def test_macro_f1_bootstrap_equals_drawing_records() -> None:
    generator = np.random.default_rng(2)
    targets = generator.integers(3, size=150)
    guess = np.where(generator.random(150) < 0.7, targets, generator.integers(3, size=150))
    confusion = np.zeros((3, 3), dtype=np.int64)
    np.add.at(confusion, (targets, guess), 1)
    scores = []
    for _ in range(300):
        rows = generator.integers(150, size=150)
        scores.append(f1_score(targets[rows], guess[rows], average="macro"))
    low, high = np.quantile(scores, [0.025, 0.975])
    interval = bootstrap_macro_f1(confusion)
    assert interval.low == pytest.approx(low, abs=0.025)
    assert interval.high == pytest.approx(high, abs=0.025)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_refuses_levels_outside_zero_and_one(level: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        wilson(1, 2, level)


def test_refuses_nothing_to_count() -> None:
    with pytest.raises(ConfigurationError, match="0 of 0"):
        wilson(0, 0)
    with pytest.raises(ConfigurationError, match="at least one record"):
        paired_difference(PairedCounts(both=0, first_only=0, second_only=0, neither=0))
