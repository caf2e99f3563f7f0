"""How fast a candidate is beside the original: ratios of paired rounds, with intervals.

Both run in turns, so that a change of the machine's speed meets both. The ratio of a pair of rounds
is one observation, the median over the pairs is the figure, and its interval comes from the order
of the observations (Conover 1999, Practical Nonparametric Statistics, 3.2), which no outlier moves.
Other programs lengthen wall time; processor time they hardly touch, so it is taken where wall time
leaves open what the answer is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

MARGIN = 0.05
"""What counts as the same speed: less than this part slower is not slower."""

LEVEL = 0.95
BUSY_SPREAD = 0.05
"""How far rounds of the original may be from their median, in the middle, on a quiet machine."""

Answer = Literal["slower", "not slower", "open"]


@dataclass(slots=True)
class Round:
    """Times of one round.

    Attributes:
        latencies: seconds of single windows.
        throughput: windows a second in batches.
        processor: windows for each second of processor time, in batches.
    """

    latencies: list[float]
    throughput: float
    processor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A median of paired ratios and its interval."""

    value: float
    low: float
    high: float
    pairs: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A candidate's speed beside the original's.

    Attributes:
        speed: throughput as a multiple of the original's.
        latency: of a window alone, as a part of the original's.
        processor: windows for each second of processor time, as a multiple; None where the two run
            in other runtimes or precisions, whose threads wait in other ways.
        same: whether both compute the same, number for number of operations: a pruned network
            whose zeros are multiplied like other numbers is as fast as before.
        busy: why the machine was found to be busy; empty where it was quiet.
    """

    speed: Ratio
    latency: Ratio
    processor: Ratio | None = None
    same: bool = False
    busy: str = ""

    def in_batches(self) -> Answer:
        """Whether it is slower in batches."""
        if self.same:
            return "not slower"
        found = compared(self.speed)
        if found == "open" and self.processor is not None:
            found = compared(self.processor)
        return found

    def alone(self) -> Answer:
        """Whether it is slower for one window alone."""
        if self.same:
            return "not slower"
        return compared(inverse(self.latency))

    def settled(self) -> bool:
        """Whether more rounds would change nothing."""
        return "open" not in (self.in_batches(), self.alone())

    def reasons(self) -> list[str]:
        """Why it may not be shipped, a sentence each."""
        batches, alone = self.in_batches(), self.alone()
        found = []
        if _is_slower(batches, self.speed):
            found.append(f"it is slower: {_told(self.speed)} times the original's throughput")
        # What is faster in batches may take longer alone.
        if self.speed.value < 1 + MARGIN and _is_slower(alone, inverse(self.latency)):
            found.append(f"it is slower alone: {_told(self.latency)} times the original's latency")
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "speed": self.speed.to_json(),
            "latency": self.latency.to_json(),
            "processor": None if self.processor is None else self.processor.to_json(),
            "same_arithmetic": self.same,
            "busy": self.busy,
        }


def compared(speed: Ratio) -> Answer:
    """What an interval says about a multiple of the original's speed."""
    if speed.high < 1 - MARGIN:
        return "slower"
    return "not slower" if speed.low >= 1 - MARGIN else "open"


def ratio(values: Sequence[float]) -> Ratio:
    """The median of paired ratios, with its interval; all there is where pairs are few."""
    ordered = sorted(values)
    rank = _rank(len(ordered))
    return Ratio(
        value=statistics.median(ordered),
        low=ordered[rank],
        high=ordered[-1 - rank],
        pairs=len(ordered),
    )


def inverse(of: Ratio) -> Ratio:
    """The same as a multiple of speed instead of time, or the other way round."""
    return Ratio(value=1 / of.value, low=1 / of.high, high=1 / of.low, pairs=of.pairs)


def pace(
    before: Sequence[Round], after: Sequence[Round], *, alike: bool, same: bool, load: float = 0.0
) -> Pace:
    """The pace of a candidate.

    Args:
        before: the original's rounds.
        after: the candidate's, in pairs with them.
        alike: whether both run in the same runtime and precision.
        same: whether both compute the same.
        load: processes beside these that want a processor, for each processor.
    """
    pairs = list(zip(before, after, strict=True))
    processor = [two.processor / one.processor for one, two in pairs if one.processor]
    return Pace(
        speed=ratio([two.throughput / one.throughput for one, two in pairs]),
        latency=ratio(
            [
                statistics.median(two.latencies) / statistics.median(one.latencies)
                for one, two in pairs
            ]
        ),
        processor=ratio(processor) if alike and len(processor) == len(pairs) else None,
        same=same,
        busy=busy([one.throughput for one in before], load),
    )


def busy(rates: Sequence[float], load: float) -> str:
    """Why the machine is found to be busy, from repeated rates of the original; else empty."""
    middle = statistics.median(rates)
    spread = statistics.median([abs(rate / middle - 1) for rate in rates])
    found = []
    if spread > BUSY_SPREAD:
        found.append(f"the original's own rounds differ by {100 * spread:.0f} % in the middle")
    if load > 0.5:
        found.append(f"other programs want {load:.1f} times the processors that there are")
    return " and ".join(found)


def _is_slower(answer: Answer, speed: Ratio) -> bool:
    """Where the rounds leave it open, the median decides."""
    return answer == "slower" or (answer == "open" and speed.value < 1 - MARGIN)


def _rank(count: int) -> int:
    """How many observations lie outside of the interval on each side."""
    # P(at most k of n lie below the median) is binomial with one half.
    outside, rank = 1 / 2**count, 0
    while outside <= (1 - LEVEL) / 2:
        rank += 1
        outside += math.comb(count, rank) / 2**count
    return max(rank - 1, 0)


def _told(of: Ratio) -> str:
    return f"{of.value:.2f} ({of.low:.2f} … {of.high:.2f})"
