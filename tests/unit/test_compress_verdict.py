"""The verdict: what may be shipped, why not, and what is on the Pareto front."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anysize.compression.answers import Answers
from anysize.compression.chain import describe, parse
from anysize.compression.pace import MARGIN, Pace, Ratio, Round, pace, ratio
from anysize.compression.verdict import (
    Candidate,
    Figures,
    beside,
    judge,
    pareto,
    too_few,
)
from anysize.core.errors import ConfigurationError
from anysize.evaluation.intervals import PairedDifference
from anysize.evaluation.paired_numbers import PairedDrop, paired_drop


def figures(size: int = 100, metric: float | None = 0.9) -> Figures:
    return Figures(
        size=size, peak_memory=1, latency_p50=0.01, latency_p95=0.02, throughput=10.0,
        runtime="torch", precision="float32", metric=metric, records=100,
    )  # fmt: skip


def paced(speed: float = 2.0, latency: float = 0.5) -> Pace:
    one, two = (Ratio(value=of, low=of, high=of, pairs=9) for of in (speed, latency))
    return Pace(speed=one, latency=two)


def verdict(
    *, size: int = 50, metric: float | None = 0.9, speed: float = 2.0, latency: float = 0.5
) -> Candidate:
    return judge(
        "int8",
        (figures(), None),
        (figures(size, metric), None),
        pace=paced(speed, latency),
        max_drop=0.01,
        metric="accuracy",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": 100}, "not smaller"),
        ({"speed": 0.9}, "slower"),
        ({"speed": 1.0, "latency": 1.5}, "slower alone"),
        ({"metric": 0.88}, "drops by 0.0200"),
        ({"metric": float("nan")}, "drops by nan"),
    ],
)
def test_each_rule_refuses_alone(change: dict[str, float], reason: str) -> None:
    assert verdict().passes
    refused = verdict(**change)
    assert not refused.passes
    assert len(refused.reasons) == 1
    assert reason in refused.reasons[0]
    assert refused.worse == ("metric" in change)


def test_a_drop_of_exactly_what_is_allowed_passes_and_a_gain_does() -> None:
    assert 0.9 - 0.89 > 0.01  # by rounding
    assert verdict(metric=0.89).passes
    assert not verdict(metric=0.9 - 0.01001).passes
    assert verdict(metric=0.95).drop == pytest.approx(-0.05)


def test_without_data_size_and_speed_decide() -> None:
    found = verdict(metric=None)
    assert found.passes
    assert found.drop is None


def test_the_pair_is_compared_record_by_record() -> None:
    before = Answers(np.array([0, 1, 1, 0], np.int32), np.array([True, True, True, False]))
    after = Answers(np.array([0, 1, 0, 0], np.int32), np.array([True, True, False, False]))
    found = judge(
        "int8", (figures(), before), (figures(50), after), pace=paced(), max_drop=0.01,
        metric="accuracy",
    )  # fmt: skip
    assert found.agreement == 0.75
    assert isinstance(found.paired, PairedDifference)
    assert found.paired.difference == 0.25
    assert found.paired.counts.first_only == 1


def numbers(values: list[float], targets: list[float]) -> Answers:
    nothing = np.full(len(values), -1, np.int32)
    return Answers(nothing, nothing > 0, np.array(values), np.array(targets))


@pytest.mark.parametrize(
    ("metric", "lower", "drop"),
    [("mae", True, 1.0), ("rmse", True, 1.0), ("r2", False, 0.0024), ("spearman", False, 0.0)],
)
def test_numbers_are_compared_by_their_errors_on_the_same_records(
    metric: str, lower: bool, drop: float
) -> None:
    targets = [float(n) for n in range(100)]
    signs = [1, -1] * 50
    before = numbers([y + sign for y, sign in zip(targets, signs, strict=True)], targets)
    after = numbers([y + 2 * sign for y, sign in zip(targets, signs, strict=True)], targets)
    after.values[7] = float("nan")  # it could not be read
    given = [replace(figures(size), metric=1.0) for size in (100, 50)]
    found = judge(
        "int8", (given[0], before), (given[1], after), pace=paced(), max_drop=0.01,
        metric=metric, lower=lower,
    )  # fmt: skip
    assert isinstance(found.paired, PairedDrop)
    assert found.paired.records == 99
    assert found.paired.difference == pytest.approx(drop, abs=0.002)
    # The errors of both go together, so the interval is narrow.
    interval = found.paired.interval
    assert interval.low <= found.paired.difference <= interval.high
    assert interval.high - interval.low < 0.01
    assert found.agreement is None
    assert found.to_json()["paired"]["metric"] == metric


def test_a_paired_interval_covers_the_true_drop() -> None:
    draw = np.random.default_rng(0)
    inside = 0
    for _ in range(30):
        truth = draw.normal(size=80)
        first = truth + draw.normal(scale=0.5, size=80)
        second = first + draw.normal(scale=0.3, size=80)
        found = paired_drop(truth, first, second, "r2", lower=False, replicates=100)
        # What noise of that size takes from an explained variance of 0.75.
        inside += found.interval.low <= 0.09 <= found.interval.high
    assert inside >= 25


def test_answers_without_labels_are_not_compared() -> None:
    boxes = Answers(np.array([-1, -1], np.int32), np.array([False, False]))
    found = judge(
        "int8", (figures(), boxes), (figures(50), boxes), pace=paced(), max_drop=0.01,
        metric="ap",
    )  # fmt: skip
    assert found.paired is None
    assert found.agreement is None


def test_the_front_has_what_nothing_beats() -> None:
    small, fast = verdict(size=20, speed=1.5), verdict(size=50, speed=3.0)
    beaten, better = verdict(size=60, speed=2.0), verdict(size=90, speed=1.0, metric=0.93)
    failed = Candidate(chain="x", figures=None, reasons=("no",))
    found = pareto([small, fast, beaten, better, failed])
    assert [any(each is one for one in found) for each in (small, fast, beaten, better)] == [
        True, True, False, True,
    ]  # fmt: skip


def test_chains_are_read_and_written_alike() -> None:
    steps = parse("int8(keep=2, windows=50)")
    assert steps[0].options.keep == 2
    assert describe(steps) == "int8(windows=50, keep=2)"
    assert describe(parse("int8,int8")) == "int8, int8"


def test_faults_of_a_chain_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("int9, int8(keep=lots), int8(colour=red)")
    text = str(caught.value)
    assert "method 'int9' is not known; did you mean 'int8'?" in text
    assert "keep must be a whole number, not 'lots'" in text
    assert "no parameter 'colour=red'" in text
    for empty in ("", "int8(", "?"):
        with pytest.raises(ConfigurationError):
            parse(empty)


def rounds(rates: np.ndarray, processor: np.ndarray) -> list[Round]:
    return [
        Round([1 / rate] * 3, float(rate), float(work))
        for rate, work in zip(rates, processor, strict=True)
    ]


def noisy(speed: float, seed: int, pairs: int = 61) -> Pace:
    """Rounds on a machine that other programs slow down by up to four times."""
    rng = np.random.default_rng(seed)
    both = rng.uniform(0.25, 1.0, (2, pairs)) * rng.uniform(0.5, 1.0, pairs)
    work = rng.normal(1.0, 0.03, (2, pairs))
    before = rounds(100 * both[0], 100 * work[0])
    after = rounds(speed * 100 * both[1], speed * 100 * work[1])
    return pace(before, after, alike=True, same=False, load=2.0)


@pytest.mark.parametrize(("speed", "slower"), [(1.0, False), (1.3, False), (0.85, True)])
def test_the_verdict_is_the_same_each_time_on_a_busy_machine(speed: float, slower: bool) -> None:
    found = [noisy(speed, seed) for seed in range(20)]
    assert {each.in_batches() == "slower" for each in found} == {slower}
    assert all("other programs" in each.busy for each in found)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for count in (9, 25):
        drawn = [ratio(list(rng.lognormal(0, 0.3, count))) for _ in range(2000)]
        assert np.mean([each.low <= 1 <= each.high for each in drawn]) >= 0.95
    assert ratio([3.0, 1.0, 2.0]).low == 1.0


def test_the_same_arithmetic_is_never_slower() -> None:
    slow = Ratio(value=0.5, low=0.4, high=0.6, pairs=9)
    late = Ratio(value=2.0, low=1.8, high=2.2, pairs=9)
    assert Pace(speed=slow, latency=late, same=True).reasons() == []
    assert len(Pace(speed=slow, latency=late).reasons()) == 2
    near = Ratio(value=1 - MARGIN / 2, low=0.9, high=1.1, pairs=9)
    assert Pace(speed=near, latency=near).reasons() == []


def test_too_few_records_are_not_a_pass() -> None:
    found = judge(
        "int8", (figures(), None), (figures(50, 0.9), None), pace=paced(), max_drop=0.005,
        metric="accuracy",
    )  # fmt: skip
    assert not found.passes
    assert "100 records cannot show a drop of 0.005" in found.reasons[0]
    assert "at least 200" in found.reasons[0]
    assert too_few(16, 0.01) is not None
    assert too_few(100, 0.01) is None
    assert too_few(3, 0) is None


def test_what_is_a_mean_over_tokens_is_counted_in_tokens() -> None:
    before, after = (
        replace(figures(size, 20.0 + rise), records=3, observed=count, unit="tokens")
        for size, rise, count in ((100, 0.0, 150), (50, 0.1, 150))
    )
    given = {"pace": paced(), "max_drop": 0.01, "metric": "perplexity", "lower": True}
    found = judge("bf16", (before, None), (after, None), **given)  # type: ignore[arg-type]
    assert found.passes and found.drop == pytest.approx(0.005)
    worse = replace(after, metric=20.5)
    refused = judge("bf16", (before, None), (worse, None), **given)  # type: ignore[arg-type]
    assert refused.reasons == ("perplexity rises by 2.50% (from 20.0000 to 20.5000), more than 1%",)
    few = judge("bf16", (before, None), (replace(after, observed=50), None), **given)  # type: ignore[arg-type]
    assert few.reasons[0].startswith("50 tokens cannot show a drop of 0.01")


def test_the_table_has_the_figures_of_the_verdict() -> None:
    found = beside(figures(), verdict(speed=1.5, latency=0.8))
    assert found.figures is not None
    assert found.figures.throughput == pytest.approx(15.0)
    assert found.figures.latency_p50 == pytest.approx(0.008)
    assert found.figures.latency_p95 == pytest.approx(0.016)
