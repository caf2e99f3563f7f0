"""The probe: what it measures, how it fits, how far it climbs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core import memory
from anysize.planning import probe
from anysize.planning.probe import Line, Measurement, PeakMeter, climb, extrapolate, fit

MIB = 1 << 20


def measurement(cost: int, peak: float, seconds: float = 1.0) -> Measurement:
    return Measurement(cost=cost, peak=int(peak), seconds=seconds)


def test_meter_sees_a_peak_that_is_gone_at_the_end() -> None:
    with PeakMeter() as meter:
        array = np.ones(48 * MIB, dtype=np.uint8)
        del array
    assert 46 * MIB < meter.growth < 64 * MIB
    assert meter.seconds > 0


def test_meter_samples_where_the_kernel_forbids_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "reset_peak", lambda: False)
    with PeakMeter() as meter:
        for _ in range(20):
            array = np.ones(48 * MIB, dtype=np.uint8)
            array += 1
        del array
    assert 40 * MIB < meter.growth < 128 * MIB


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(0, 10**10)),
        min_size=1,
        max_size=8,
        unique_by=lambda pair: pair[0],
    )
)
def test_fit_is_never_below_a_measurement(points: list[tuple[int, int]]) -> None:
    measured = [measurement(cost, peak) for cost, peak in points]
    line = fit(measured)
    assert line.slope >= 0
    assert all(line.peak(item.cost) >= item.peak - 1 for item in measured)


def test_fit_recovers_a_line_despite_one_odd_measurement() -> None:
    measured = [measurement(cost, 100 + 3 * cost) for cost in (1, 2, 4, 8, 16)]
    assert fit(measured).slope == 3
    measured[2] = measurement(4, 500)
    assert fit(measured).slope == pytest.approx(3, abs=3)


@pytest.mark.parametrize(("linear", "square"), [(3.0, 0.0), (0.0, 0.5), (2.0, 0.25)])
def test_extrapolation_of_three_rungs_is_exact_for_quadratics(linear: float, square: float) -> None:
    rungs = [measurement(cost, 1000 + linear * cost + square * cost**2) for cost in (64, 128, 256)]
    expected = 1000 + linear * 512 + square * 512**2
    assert extrapolate(rungs, 512) == pytest.approx(expected, rel=0.01)
    # From two rungs the growth is taken for a square, which is never too little.
    assert extrapolate(rungs[:2], 512) >= 0.99 * expected


class Process:
    """A process whose resident size is made up: ``base + slope * cost`` while work runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, base: int, slope: float) -> None:
        self.base, self.slope = base, slope
        self.highest = 0
        self.runs: list[int] = []
        monkeypatch.setattr(memory, "resident", lambda: base)
        monkeypatch.setattr(memory, "trim", lambda: None)
        monkeypatch.setattr(memory, "reset_peak", self._reset)
        monkeypatch.setattr(memory, "peak", lambda: self._peak)
        self._peak = base

    def _reset(self) -> bool:
        self._peak = self.base
        return True

    def work(self, cost: int) -> tuple[probe.Work, int]:
        def run() -> None:
            self.runs.append(cost)
            self._peak = int(self.base + self.slope * cost)
            self.highest = max(self.highest, self._peak)

        return run, cost


def climbed(process: Process, *, ceiling: int, fixed: int = 0, most: int = 64) -> probe.Climb:
    return climb(
        lambda share: process.work(int(512 * share)),
        lambda count: process.work(512 * count),
        whole=512,
        ceiling=ceiling,
        fixed=fixed,
        parts=(0.125, 0.25, 0.5, 1.0),
        most=most,
        enough=lambda found: False,
        seconds=60,
    )


@given(
    slope=st.floats(1, 10**6),
    room=st.floats(0, 200),
    fixed=st.integers(0, 10**8),
)
def test_climb_never_passes_its_ceiling(slope: float, room: float, fixed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        base = 400 * MIB
        ceiling = int(base + room * 512 * slope)
        process = Process(patch, base, slope)
        found = climbed(process, ceiling=ceiling, fixed=fixed)
        # The first two parts of a window are always run.
        allowed = max(ceiling, int(1.02 * base), int(base + slope * 128))
        assert process.highest <= allowed + 1
        if found.measurements:
            assert found.line.slope == pytest.approx(slope, rel=0.01)
            assert found.line.peak(5120) == pytest.approx(base + slope * 5120, rel=0.01)


def test_climb_says_how_much_a_window_would_need_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch, 400 * MIB, MIB)
    found = climbed(process, ceiling=450 * MIB)
    assert not found.measurements
    assert max(process.runs) == 128
    assert found.line.peak(512) >= 912 * MIB


def test_a_climb_takes_parts_that_cost_no_more_than_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch, 400 * MIB, MIB / 100)
    found = climb(
        lambda share: process.work(min(int(512 * share), 100)),
        lambda count: process.work(100 * count),
        whole=100,
        ceiling=1 << 40,
        fixed=0,
        parts=(0.125, 0.25, 0.5, 1.0),
        most=4,
        enough=lambda found: False,
        seconds=60,
    )
    assert process.runs == [64, 64, 100, 100, 200, 400]
    assert [item.cost for item in found.measurements] == [100, 200, 400]


def test_a_climb_that_time_ends_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch, 400 * MIB, MIB / 100)
    spent = itertools.count(0.0, 25.0)
    monkeypatch.setattr(probe.time, "process_time", lambda: next(spent))
    found = climbed(process, ceiling=1 << 40)
    assert found.late and found.largest == 512 * 8
    assert not climbed(process, ceiling=1 << 40, most=2).late


def test_climb_falls_back_to_whole_windows_for_models_of_one_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = Process(monkeypatch, MIB, 10)

    def part(share: float) -> tuple[probe.Work, int]:
        work, cost = process.work(int(512 * share))

        def run() -> object:
            if share < 1:
                raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
            return work()

        return run, cost

    found = climb(
        part,
        lambda count: process.work(512 * count),
        whole=512,
        ceiling=1 << 40,
        fixed=0,
        parts=(0.25, 1.0),
        most=4,
        enough=lambda found: False,
        seconds=60,
    )
    assert [item.cost for item in found.measurements] == [512, 1024, 2048]


def test_efficient_cost_is_the_smallest_that_is_nearly_the_fastest() -> None:
    found = probe.Climb(
        line=Line(0, 1),
        measurements=(
            measurement(512, 1, 1.0),
            measurement(1024, 1, 1.5),
            measurement(2048, 1, 2.0),
            measurement(4096, 1, 3.95),
        ),
        floor=0,
    )
    assert found.efficient_cost() == 2048


def test_the_probe_ends_when_more_is_not_faster() -> None:
    found = [measurement(1, 1, 1.0), measurement(2, 1, 1.5), measurement(4, 1, 2.0)]
    assert not probe.no_longer_faster(found)
    assert not probe.no_longer_faster(found[:2])
    assert probe.no_longer_faster([*found, measurement(8, 1, 3.95)])


def test_line_inverts() -> None:
    line = Line(100.0, 2.0)
    assert line.cost(line.peak(77)) == 77
    assert Line(100.0, 0.0).cost(99) == 0
