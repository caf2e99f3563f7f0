"""What was measured of a bundle, how it compares with the original, and whether it may be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.compression.pace import Pace
from anysize.core.findings import Finding
from anysize.core.memory import format_size
from anysize.evaluation.intervals import PairedCounts, PairedDifference, paired_difference
from anysize.evaluation.paired_numbers import PairedDrop, paired_drop
from anysize.evaluation.paired_sums import paired_sums_drop
from anysize.heads.number_meter import METRICS as OF_NUMBERS

_ROUNDING = 1e-9
# Metrics that are not from 0 to 1, as the others that something may be lost of are.
_SCALES = {"bleu": 100.0, "chrf": 100.0}


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
        paired: accuracy of the original minus its own on the same records, or of numbers what the
            metric loses, with its interval; None where answers cannot be compared one by one.
        agreement: the share of records that both answer alike; None where they are no labels.
        reasons: why it is not shipped; empty where it may be.
        worse: whether one of them is the metric.
    """

    chain: str
    figures: Figures | None
    pace: Pace | None = None
    drop: float | None = None
    paired: PairedDifference | PairedDrop | None = None
    agreement: float | None = None
    reasons: tuple[str, ...] = ()
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
        max_drop: what the metric was allowed to lose.
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
    sensitivity: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "shipped": None if self.chosen is None else self.chosen.chain,
            "task": self.task,
            "metric": self.metric,
            "max_drop": self.max_drop,
            "data": self.data,
            "original": self.original.to_json(),
            "candidates": [each.to_json() for each in self.candidates],
            "sensitivity": list(self.sensitivity),
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """What a bundle answered, record by record.

    Attributes:
        predictions: places of labels; -1 where the answer is none.
        correct: whether they are right.
        values: numbers that were answered; not-a-number where the answer is none.
        targets: the true numbers.
        sums: what each record adds to a metric of sums, ``[records, k]``; not-a-number where it
            has no part in it. Empty where the metric is another.
    """

    predictions: NDArray[np.int32]
    correct: NDArray[np.bool_]
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    targets: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def comparable(self) -> bool:
        """Whether every record was answered by a label."""
        return len(self.predictions) > 0 and bool((self.predictions >= 0).any())


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
        lower: whether a lower metric is better. Such a metric has no natural scale, so what it may
            rise by is a part of the original's. BLEU and chrF are counted to 100, and what they
            may lose is in hundredths of that.
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
        drop = (before.metric - after.metric) / _SCALES.get(metric, 1.0)
        if lower:
            drop = -drop / abs(before.metric) if before.metric else -drop
        # 0.90 - 0.89 is more than 0.01 by rounding. Not-a-number is worse.
        worse = not drop <= max_drop + _ROUNDING
        if worse:
            how = f"rises by {drop:.1%}" if lower else f"drops by {drop:.4f}"
            reasons.append(
                f"{metric} {how} (from {before.metric:.4f} to {after.metric:.4f}), more than "
                f"{max_drop:g}"
            )
        elif (few := too_few(after.records, max_drop)) is not None:
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


def too_few(records: int, max_drop: float) -> str | None:
    """Why so many records cannot show that a metric drops by no more; None where they can.

    One record that is answered otherwise must not be more than what is allowed.
    """
    if not max_drop or records * max_drop >= 1 - _ROUNDING:
        return None
    return (
        f"{records} records cannot show a drop of {max_drop:g}: one of them is {1 / records:.2g}; "
        f"judge by at least {math.ceil(1 / max_drop - _ROUNDING)}, or allow more (--max-drop)"
        if records
        else "no record could be judged"
    )


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


def compared(
    original: Answers | None,
    candidate: Answers | None,
    metric: str,
    *,
    lower: bool,
    of_sums: Callable[[NDArray[np.float64]], float] | None,
) -> tuple[PairedDifference | PairedDrop | None, float | None]:
    """What the metric loses on the same records, with its interval, and how often both agree."""
    if original is None or candidate is None:
        return None, None
    if metric in OF_NUMBERS and len(original.values) == len(candidate.values):
        both = np.isfinite(original.targets + original.values + candidate.values)
        if both.any():
            wanted, first, second = (
                each[both] for each in (original.targets, original.values, candidate.values)
            )
            return paired_drop(wanted, first, second, metric, lower=lower), None
    if of_sums is not None:
        return _compared_sums(original.sums, candidate.sums, metric, of_sums), None
    if not original.comparable or len(original.correct) != len(candidate.correct):
        return None, None
    paired = paired_difference(PairedCounts.of(original.correct, candidate.correct))
    return paired, float(np.mean(original.predictions == candidate.predictions))


def _compared_sums(
    original: NDArray[np.float64],
    candidate: NDArray[np.float64],
    metric: str,
    of_sums: Callable[[NDArray[np.float64]], float],
) -> PairedDrop | None:
    """Over the records that both have a part in the metric with."""
    if original.ndim != 2 or original.shape != candidate.shape:
        return None
    both = ~np.isnan(original + candidate).any(axis=1)
    if not np.any(both):
        return None
    scale = _SCALES.get(metric, 1.0)
    return paired_sums_drop(original[both], candidate[both], of_sums, metric, scale=scale)
