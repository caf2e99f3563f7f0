"""Evaluation of predicted numbers: errors, R², rank correlation, coverage of the intervals."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import number_rendering, number_report
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.intervals import wilson
from anysize.evaluation.mistakes import Mistake
from anysize.evaluation.number_result import (
    ErrorsBySize,
    FarMiss,
    NumberBaseline,
    NumberEvaluation,
    bootstrap,
    bootstrap_mean,
)
from anysize.evaluation.passing import Passed
from anysize.heads.number_meter import METRICS, NumberCounts, Numbers

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("regression",)

_MOST_FAR = 24

number_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> NumberEvaluation:
    """How far the numbers are from the true ones.

    Raises:
        DataError: no record that could be read has a number.
    """
    passed, run = Passed(source), _Run()
    for ordinal, result, target, _ in passed.scored(results):
        run.add(ordinal, result, float(target))
    counts = run.counts
    if not counts.count:
        passed.refuse("a number to compare with; name its column with --columns target=NAME")
    metrics = {name: counts.metric(name) for name in METRICS}
    intervals = bootstrap(counts.pairs)
    level = float(card.head["level"]) if run.with_interval else None
    if run.with_interval:
        metrics["interval_coverage"] = run.inside / run.with_interval
        metrics["interval_width"] = run.width / run.with_interval
        intervals["interval_coverage"] = wilson(run.inside, run.with_interval)
    read = excerpt_reader(source.__getitem__)
    return NumberEvaluation(
        target=card.labels[0] if card.labels else "value",
        records=counts.count,
        metrics=metrics,
        intervals=intervals,
        level=level,
        baselines=_baselines(counts.pairs, run, card),
        pairs=counts.pairs.copy(),
        by_extent=run.by_extent(),
        far=tuple(
            dataclasses.replace(miss, excerpt=read(mistake)) for miss, mistake in run.farthest()
        ),
        **passed.account(),
    )


def write_report(
    evaluation: NumberEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and ``report.html``; see ``number_report``."""
    number_report.write(evaluation, folder, card=card, source=source)


class _Run:
    """What is counted while results stream past."""

    def __init__(self) -> None:
        self.counts = NumberCounts()
        self.first = NumberCounts()
        self.longer = 0
        self.inside, self.with_interval, self.width = 0, 0, 0.0
        self._far = Highest[tuple[FarMiss, Mistake]](_MOST_FAR)
        self._sizes: Counter[int] = Counter()
        self._errors: dict[int, float] = {}

    def add(self, ordinal: int, result: Result, target: float) -> None:
        prediction = float(result.prediction)
        self.counts.add(target, prediction)
        self.first.add(target, float(result.details.get("first_window", prediction)))
        self.longer += result.receipt.windows > 1
        interval = result.details.get("interval")
        if interval is not None:
            self.with_interval += 1
            self.inside += interval[0] <= target <= interval[1]
            self.width += interval[1] - interval[0]
        error = abs(prediction - target)
        size = max(result.receipt.extent - 1, 0).bit_length()
        self._sizes[size] += 1
        self._errors[size] = self._errors.get(size, 0.0) + error
        self._keep(error, ordinal, result, target)

    def _keep(self, error: float, ordinal: int, result: Result, target: float) -> None:
        if not self._far.takes(error, ordinal):
            return
        miss = FarMiss(
            ordinal=ordinal, id=result.id, target=target, prediction=float(result.prediction)
        )
        mistake = Mistake(
            ordinal=ordinal, id=result.id, target=f"{target:g}",
            prediction=f"{miss.prediction:g}", score=0.0, target_probability=0.0,
            receipt=result.receipt,
        )  # fmt: skip
        self._far.add(error, ordinal, (miss, mistake))

    def farthest(self) -> list[tuple[FarMiss, Mistake]]:
        """The largest errors, largest first."""
        return self._far.entries()

    def by_extent(self) -> tuple[ErrorsBySize, ...]:
        """Errors by size of the input, in bins of doubling size."""
        return tuple(
            ErrorsBySize(
                low=1 if size == 0 else (1 << (size - 1)) + 1,
                high=1 << size,
                records=count,
                mae=self._errors[size] / count,
            )
            for size, count in sorted(self._sizes.items())
        )


def _baselines(pairs: Numbers, run: _Run, card: Card) -> tuple[NumberBaseline, ...]:
    """The mean and the median of the training data, and the model on one window a record."""
    known = bool(card.head.get("records"))
    where = "training data" if known else "evaluated data"
    mean = float(card.head["mean"]) if known else float(pairs[:, 0].mean())
    median = float(card.head["median"]) if known else float(np.median(pairs[:, 0]))
    found = [
        _baseline("mean", f"always {mean:g}, the mean of the {where}", pairs, mean),
        _baseline("median", f"always {median:g}, the median of the {where}", pairs, median),
    ]
    if run.longer:
        words = "the same model on the first window of each record alone"
        found.append(_baseline("one_window", words, pairs, run.first.pairs[:, 1]))
    return tuple(found)


def _baseline(name: str, words: str, pairs: Numbers, estimate: float | Numbers) -> NumberBaseline:
    own = np.abs(pairs[:, 1] - pairs[:, 0])
    errors = estimate - pairs[:, 0]
    spread = float(pairs[:, 0].var())
    squared = float((errors**2).mean())
    gap = own - np.abs(errors)
    return NumberBaseline(
        name=name,
        description=words,
        mae=float(np.abs(errors).mean()),
        rmse=squared**0.5,
        r2=1 - squared / spread if spread else 0.0,
        difference=float(gap.mean()),
        interval=bootstrap_mean(gap),
    )
