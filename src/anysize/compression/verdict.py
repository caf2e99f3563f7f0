"""What was measured of a bundle, how it compares with the original, and whether it may be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.compression.answers import RATES, SCALES, Answers, compared
from anysize.compression.pace import Pace
from anysize.core.findings import Finding
from anysize.core.memory import format_size
from anysize.evaluation.intervals import PairedDifference
from anysize.evaluation.paired_numbers import PairedDrop

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one bundle on this machine.

    Attributes:
        size: bytes on disk of everything that predicting needs.
        peak_memory: largest resident size of a process that evaluated it, in bytes.
        latency_p50, latency_p95: of one window alone, in seconds.
        throughput: windows a second in the planner's batches.
        runtime, precision: what the planner ran it with.
        metric: the task's main metric; None without data.
        metrics: all metrics that are one number.
        records: how many decided.
        observed: how many of what the metric is a mean over, where that is smaller than records.
        unit: what they are, in the plural.
    """

    size: int
    peak_memory: int
    latency_p50: float
    latency_p95: float
    throughput: float
    runtime: str
    precision: str
    metric: float | None = None
    metrics: dict[str, float] | None = None
    records: int = 0
    observed: int | None = None
    unit: str = "records"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A compressed bundle beside the original.

    Attributes:
        chain: the methods that made it.
        figures: of it; None where it could not be made or run.
        pace: how fast it is beside the original, with intervals; None where it did not run.
        drop: the original's metric minus its own; of a metric in which lower is better, what it
            rises by as a part of the original's.
        paired: accuracy of the original minus its own on the same records, or of other metrics what
            they lose, with its interval; None where answers cannot be compared one by one.
        agreement: the share of records that both answer alike; None where they are no labels.
        reasons: why it is not shipped; empty where it may be.
        notes: what its methods say of how it was made, a sentence each.
        worse: whether one of them is the metric.
    """

    chain: str
    figures: Figures | None
    pace: Pace | None = None
    drop: float | None = None
    paired: PairedDifference | PairedDrop | None = None
    agreement: float | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    worse: bool = False

    @property
    def speed(self) -> float:
        """Its throughput as a multiple of the original's, the median of paired rounds."""
        return 0.0 if self.pace is None else self.pace.speed.value

    @property
    def latency(self) -> float:
        """Its latency as a part of the original's, the median of paired rounds."""
        return 0.0 if self.pace is None else self.pace.latency.value

    @property
    def passes(self) -> bool:
        """Whether it may be shipped."""
        return self.figures is not None and not self.reasons

    def to_json(self) -> dict[str, Any]:
        return {
            "method": self.chain,
            "passes": self.passes,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "speed": self.speed,
            "latency": self.latency,
            "pace": None if self.pace is None else self.pace.to_json(),
            "drop": self.drop,
            "paired": None if self.paired is None else self.paired.to_json(),
            "agreement": self.agreement,
            "figures": None if self.figures is None else self.figures.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of it.

    Attributes:
        task, metric: of the bundle.
        max_drop: what the metric was allowed to lose; of one in which lower is better, to rise by,
            as a part of the original's.
        lower: whether a lower metric is better.
        timed: what one piece of the work is that speed was measured on; empty where it is a window
            as the metric is measured on them.
        heard: spec of the model that heard what was spoken; empty where nothing was.
        data: what decided, by its name; None without data.
        original: figures of the original.
        candidates: in the order in which they were tried.
        chosen: the one that was shipped; None where none passes.
        sensitivity: the layers by what int8 does to them, where that was measured; ``network``
            says of what: ``original``, or the methods that were applied before.
        findings: what was guessed, repaired or left out of the data.
    """

    task: str
    metric: str
    max_drop: float
    data: str | None
    original: Figures
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    lower: bool = False
    timed: str = ""
    heard: str = ""
    sensitivity: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def limit(self) -> float | None:
        """The worst value of the metric that is allowed; None without data."""
        level = self.original.metric
        if level is None:
            return None
        if self.lower:
            part = 1.0 if self.metric in RATES else abs(level) or 1.0
            return level + self.max_drop * part
        return level - self.max_drop * SCALES.get(self.metric, 1.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "shipped": None if self.chosen is None else self.chosen.chain,
            "task": self.task,
            "metric": self.metric,
            "lower_is_better": self.lower,
            "max_drop": self.max_drop,
            "timed": self.timed,
            "heard_by": self.heard,
            "data": self.data,
            "original": self.original.to_json(),
            "candidates": [each.to_json() for each in self.candidates],
            "sensitivity": list(self.sensitivity),
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge(
    chain: str,
    original: tuple[Figures, Answers | None],
    candidate: tuple[Figures, Answers | None],
    *,
    pace: Pace,
    max_drop: float,
    metric: str,
    lower: bool = False,
    of_sums: Callable[[NDArray[np.float64]], float] | None = None,
) -> Candidate:
    """The verdict on a candidate.

    It must be smaller, must not be slower in batches nor alone (``compression.pace``), and its
    metric may be lower by at most ``max_drop``, which there must be records enough to show.

    Args:
        chain: the methods that made it.
        original: figures, and answers where there were data.
        candidate: the same.
        pace: of the candidate beside the original.
        max_drop: of the metric, in its own unit (0.01 of an accuracy is one point).
        metric: its name.
        lower: whether a lower metric is better. Such a metric mostly has no natural scale, so what
            it may rise by is a part of the original's; error rates are counted in points. BLEU and
            chrF are counted to 100, and what they may lose is in hundredths of that.
        of_sums: the metric of what records add, where it is one of sums.
    """
    before, after = original[0], candidate[0]
    reasons = []
    if after.size >= before.size:
        reasons.append(
            f"it is not smaller: {format_size(after.size)} against {format_size(before.size)}"
        )
    reasons += pace.reasons()
    drop, worse = None, False
    if before.metric is not None and after.metric is not None:
        drop = (before.metric - after.metric) / SCALES.get(metric, 1.0)
        relative = lower and metric not in RATES
        if lower:
            drop = -drop / abs(before.metric) if before.metric and relative else -drop
        # 0.90 - 0.89 is more than 0.01 by rounding. Not-a-number is worse.
        worse = not drop <= max_drop + _ROUNDING
        if worse:
            how = f"{'rises' if lower else 'drops'} by {drop:.4f}"
            most = f"{max_drop:g}"
            if relative:
                how, most = f"rises by {drop:.2%}", f"{100 * max_drop:g}%"
            reasons.append(
                f"{metric} {how} (from {before.metric:.4f} to {after.metric:.4f}), more than {most}"
            )
        elif (few := too_few(_observed(after), max_drop, after.unit)) is not None:
            reasons.append(few)
    paired, agreement = compared(original[1], candidate[1], metric, lower=lower, of_sums=of_sums)
    return Candidate(
        chain=chain,
        figures=after,
        pace=pace,
        drop=drop,
        paired=paired,
        agreement=agreement,
        reasons=tuple(reasons),
        worse=worse,
    )


def too_few(count: int, max_drop: float, unit: str = "records") -> str | None:
    """Why so many records cannot show that a metric drops by no more; None where they can.

    One that is answered otherwise must not be more than what is allowed.

    Args:
        count: how many decide.
        max_drop: what the metric may lose.
        unit: what they are, where the metric is a mean over something smaller (tokens).
    """
    if not max_drop or count * max_drop >= 1 - _ROUNDING:
        return None
    return (
        f"{count} {unit} cannot show a drop of {max_drop:g}: one of them is {1 / count:.2g}; "
        f"judge by at least {math.ceil(1 / max_drop - _ROUNDING)}, or allow more (--max-drop)"
        if count
        else "no record could be judged"
    )


def _observed(figures: Figures) -> int:
    """How many of what the metric is a mean over."""
    return figures.records if figures.observed is None else figures.observed


def beside(original: Figures, candidate: Candidate) -> Candidate:
    """A candidate with the times that the paired rounds give it beside the original's.

    So the table's figures are those that the verdict was made from.
    """
    figures, pace = candidate.figures, candidate.pace
    if figures is None or pace is None:
        return candidate
    median = original.latency_p50 * pace.latency.value
    times = replace(
        figures,
        throughput=original.throughput * pace.speed.value,
        latency_p50=median,
        latency_p95=figures.latency_p95 * median / figures.latency_p50,
    )
    return replace(candidate, figures=times)


def pareto(candidates: list[Candidate]) -> list[Candidate]:
    """Those that no other beats in size, speed and metric at once."""

    def beats(one: Candidate, other: Candidate) -> bool:
        first, second = _goods(one), _goods(other)
        return all(np.greater_equal(first, second)) and any(np.greater(first, second))

    ran = [each for each in candidates if each.figures is not None]
    return [each for each in ran if not any(beats(other, each) for other in ran)]


def _goods(candidate: Candidate) -> tuple[float, float, float]:
    assert candidate.figures is not None
    return -candidate.figures.size, candidate.speed, -(candidate.drop or 0.0)
