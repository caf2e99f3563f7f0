"""Measuring what work costs: its peak memory as the system counts it, and its time.

The probe climbs: first one window of growing size, then growing numbers of whole windows. Each
rung is tried only when what was measured so far says that it stays inside the budget, so probing
keeps the promise that it is made for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anysize.core import memory


class PeakMeter:
    """Measures a block: ``peak`` resident bytes while it ran, and its ``seconds``.

    Freed heap is given back to the system first, so that ``floor`` is what was really held. The
    kernel's own high-water mark is used where it may be reset (Linux); elsewhere a thread samples
    the resident size every millisecond, which can miss shorter peaks.
    """

    def __init__(self) -> None:
        self.floor = 0
        self.peak = 0
        self.seconds = 0.0
        self._sampler: _Sampler | None = None
        self._started = 0.0

    def __enter__(self) -> PeakMeter:
        memory.trim()
        self.floor = memory.resident()
        if not memory.reset_peak():
            self._sampler = _Sampler()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.peak = memory.peak() if self._sampler is None else self._sampler.stop()
        self.peak = max(self.peak, self.floor)

    @property
    def growth(self) -> int:
        """Bytes that the block needed on top of what was there."""
        return self.peak - self.floor


class _Sampler:
    def __init__(self) -> None:
        self._highest = memory.resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(0.001):
            self._highest = max(self._highest, memory.resident())

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return max(self._highest, memory.resident())


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of the work.

    Attributes:
        cost: tokens or pixels that went through at once.
        peak: largest resident size of the process, in bytes.
        seconds: how long it took.
    """

    cost: int
    peak: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """``peak = base + slope * cost``, in bytes; a conservative fit, see `fit`."""

    base: float
    slope: float

    def peak(self, cost: int) -> int:
        return int(self.base + self.slope * cost)

    def cost(self, allowed: int) -> int:
        """The largest cost whose peak stays within ``allowed`` bytes; may be 0 or below."""
        if self.slope <= 0:
            return 1 << 50 if self.base <= allowed else 0
        return int(min((allowed - self.base) / self.slope, 1 << 50))


def fit(measurements: Sequence[Measurement]) -> Line:
    """A line that lies on or above every measurement.

    The slope is the median of the slopes between all pairs (Theil 1950, Sen 1968), which one odd
    measurement does not move, and never falls; the base is raised by the largest residual.
    """
    ordered = sorted(measurements, key=lambda item: item.cost)
    slopes = [
        (high.peak - low.peak) / (high.cost - low.cost)
        for index, low in enumerate(ordered)
        for high in ordered[index + 1 :]
        if high.cost > low.cost
    ]
    slope = max(float(np.median(slopes)), 0.0) if slopes else 0.0
    return Line(max(item.peak - slope * item.cost for item in ordered), slope)


class Estimated(float):
    """Seconds that the real work would take, as work gives it that does only a part of that."""


def measure(work: Callable[[], object], cost: int) -> Measurement:
    """Runs ``work`` once under a `PeakMeter`.

    Args:
        work: what is measured; where it gives `Estimated`, these are its seconds.
        cost: of the work.
    """
    with PeakMeter() as meter:
        found = work()
    seconds = float(found) if isinstance(found, Estimated) else meter.seconds
    return Measurement(cost=cost, peak=meter.peak, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What the probe found.

    Attributes:
        line: resident peak by cost.
        measurements: of whole windows, by rising cost; empty where not even one fitted.
        floor: resident bytes before the work, its libraries warmed up.
        grown: bytes by which the process has grown since, with no work under way: kernels of new
            shapes, which stay.
        late: whether the time for probing ended it.
    """

    line: Line
    measurements: tuple[Measurement, ...]
    floor: int
    grown: int = 0
    late: bool = False

    @property
    def largest(self) -> int:
        """The largest cost that was measured."""
        return self.measurements[-1].cost if self.measurements else 0

    def efficient_cost(self, tolerance: float = 0.05) -> int:
        """The smallest measured cost whose rate is within ``tolerance`` of the best."""
        best = max(item.cost / item.seconds for item in self.measurements)
        return min(
            item.cost
            for item in self.measurements
            if item.cost / item.seconds >= (1 - tolerance) * best
        )


Work = Callable[[], object]


def climb(
    part: Callable[[float], tuple[Work, int]],
    several: Callable[[int], tuple[Work, int]],
    *,
    whole: int,
    ceiling: int,
    fixed: int,
    parts: Sequence[float],
    most: int,
    enough: Callable[[Sequence[Measurement]], bool],
    seconds: float,
) -> Climb:
    """Probes from a small part of one window up to ``most`` windows at once.

    Args:
        part: for a part of a window (0 to 1), the work on it and its cost.
        several: for a number of whole windows, the work on them and their cost.
        whole: the cost of one whole window. It is not made before it is known to fit.
        ceiling: resident bytes that the probe must not pass. Where the process is over it
            already, two percent more are taken, to find out how much would do.
        fixed: bytes that the run will need on top of what the probe sees.
        parts: rising; the last is 1.0.
        most: windows at once that are worth knowing.
        enough: whether the measurements of whole windows say enough.
        seconds: of processor time; no further rung is begun after so long. Not of the clock, so
            that what other programs do does not change the choice.
    """
    started = time.process_time()
    try:
        work, cost = part(parts[0])
        measure(work, cost)  # the first run also pays for kernels, threads and their stacks
    except (RuntimeError, ValueError):
        if len(parts) == 1:
            raise
        # A model for one size of picture only.
        parts = (1.0,)
        work, cost = part(1.0)
        measure(work, cost)
    memory.trim()
    floor = memory.resident()
    rungs = [measure(work, cost)]
    for share in parts[1:]:
        work, cost = part(share)
        if cost <= rungs[-1].cost:
            continue  # the work is bounded (`--context`): a larger part costs no more
        # Two rungs are always made: one says nothing of how memory grows.
        if len(rungs) > 1 and extrapolate(rungs, cost) > max(ceiling, 1.02 * floor):
            needed = extrapolate(rungs, whole)
            return Climb(line=Line(floor, (needed - floor) / whole), measurements=(), floor=floor)
        rungs.append(measure(work, cost))
    found: list[Measurement] = []
    count, late = 1, False
    while count <= max(most, 1):
        work, cost = several(count)
        if found:
            predicted = fit(found).peak(cost) if len(found) > 1 else 2 * found[0].peak - floor
            # One count says nothing of how memory grows either.
            if predicted + fixed > ceiling or enough(found):
                break
            late = len(found) > 1 and time.process_time() - started > seconds
            if late:
                break
        found.append(measure(work, cost))
        count *= 2
    if len(found) == 1:
        line = Line(floor, max(found[0].peak - floor, 0) / found[0].cost)
    else:
        line = fit(found)
    memory.trim()
    settled = memory.resident()
    line = Line(max(line.base, settled), line.slope)
    grown = max(settled - floor, 0)
    return Climb(line=line, measurements=tuple(found), floor=floor, grown=grown, late=late)


def no_longer_faster(found: Sequence[Measurement]) -> bool:
    """Whether the last doubling brought less than five percent: rates rise, then stay."""
    if len(found) < 3:
        return False
    last, before = (item.cost / item.seconds for item in (found[-1], found[-2]))
    return last < 1.05 * before


def three(found: Sequence[Measurement]) -> bool:
    """Enough for a line that one odd measurement does not move far."""
    return len(found) >= 3


def extrapolate(rungs: Sequence[Measurement], cost: int) -> float:
    """The peak that a larger part of a window is expected to have.

    Attention grows with the square of the window, everything else with the window. With two rungs
    all of the growth is taken for the square; from three on it is divided as they say.
    """
    last, before = rungs[-1], rungs[-2]
    slope = max(last.peak - before.peak, 0) / (last.cost - before.cost)
    bend = slope / (last.cost + before.cost)
    if len(rungs) > 2:
        third = rungs[-3]
        earlier = max(before.peak - third.peak, 0) / (before.cost - third.cost)
        bend = max(slope - earlier, 0) / (last.cost - third.cost)
        slope = max(slope, earlier)
    more = cost - last.cost
    return last.peak + slope * more + bend * more * (cost - before.cost)
