"""From a stream of results to an ``Evaluation``: one pass, bounded memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.core.receipts import Receipt
from anysize.core.results import ErrorResult, Result
from anysize.evaluate.baselines import Baseline, OneWindow, majority_class
from anysize.evaluate.intervals import Interval, bootstrap_macro_f1, wilson
from anysize.evaluate.lengths import AccuracyBySize, LengthBin, ReceiptCounter, ReceiptSummary
from anysize.evaluate.metrics import (
    ClassificationMetrics,
    ClassificationSummary,
    most_confused,
)
from anysize.evaluate.mistakes import ExcerptReader, Mistake, WorstMistakes

_BLOCK = 256
_LARGEST_MATRIX_IN_JSON = 100
_MOST_UNKNOWN_NAMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How much an evaluation keeps, and how it states its uncertainty.

    Attributes:
        mistakes: how many of the worst mistakes to keep.
        failures: how many unreadable records to name (all are counted).
        level: of every confidence interval.
        seed: of the bootstraps.
    """

    mistakes: int = 24
    failures: int = 100
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.mistakes < 0:
            problems.append(f"mistakes must not be negative, not {self.mistakes}")
        if self.failures < 0:
            problems.append(f"failures must not be negative, not {self.failures}")
        if not 0 < self.level < 1:
            problems.append(f"level must be between 0 and 1, not {self.level}")
        if problems:
            raise ConfigurationError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model did on labelled records.

    Attributes:
        labels: the model's classes.
        summary: the metrics, over records that could be read and whose label the model knows.
        accuracy_interval: Wilson.
        macro_f1_interval: bootstrap; None above 2048 classes.
        baselines: the majority class, and one window per record where that is known.
        receipts: what was read.
        by_windows, by_extent: accuracy against the number of windows and the input's extent.
        mistakes: the worst, worst first.
        without_target: records that had no label; not scored.
        unknown_labels: labels of the data that the model does not have, with their counts (the
            first 100 names); such records are not scored.
        unknown_label_records: how many records had such a label.
        failure_count, failures: records that could not be read; the first are named.
    """

    labels: tuple[str, ...]
    summary: ClassificationSummary
    accuracy_interval: Interval
    macro_f1_interval: Interval | None
    baselines: tuple[Baseline, ...]
    receipts: ReceiptSummary
    by_windows: tuple[LengthBin, ...]
    by_extent: tuple[LengthBin, ...]
    mistakes: tuple[Mistake, ...]
    without_target: int
    unknown_labels: Mapping[str, int]
    unknown_label_records: int
    failure_count: int
    failures: tuple[ErrorResult, ...]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return self.summary.main()

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        intervals = {"accuracy": self.accuracy_interval.to_json()}
        if self.macro_f1_interval is not None:
            intervals["macro_f1"] = self.macro_f1_interval.to_json()
        return {
            **self.main(),
            "records": self.summary.records,
            "failed_records": self.failure_count,
            "records_without_target": self.without_target,
            "unknown_label_records": self.unknown_label_records,
            "unknown_labels": dict(self.unknown_labels),
            "intervals": intervals,
            "baselines": {baseline.name: baseline.to_json() for baseline in self.baselines},
            "classes": [row.to_json() for row in self.summary.classes],
            "confusion": self._confusion_json(),
            "calibration": [entry.to_json() for entry in self.summary.calibration],
            "receipts": self.receipts.to_json(),
            "accuracy_by_windows": [entry.to_json() for entry in self.by_windows],
            "accuracy_by_extent": [entry.to_json() for entry in self.by_extent],
            "worst_mistakes": [mistake.to_json() for mistake in self.mistakes],
            "failures": [failure.to_json() for failure in self.failures],
        }

    def _confusion_json(self) -> dict[str, Any]:
        confusion = self.summary.confusion
        if confusion is not None and len(self.labels) <= _LARGEST_MATRIX_IN_JSON:
            return {"labels": list(self.labels), "matrix": confusion.tolist()}
        return {"most_confused": [pair.to_json() for pair in most_confused(self.summary, 100)]}


def evaluate(
    results: Iterable[Result | ErrorResult],
    labels: Sequence[str],
    *,
    training_counts: Mapping[str, int] | None = None,
    one_window_results: Iterable[Result | ErrorResult] | None = None,
    excerpt: ExcerptReader | None = None,
    options: EvaluationOptions | None = None,
    origin: str = "the data",
) -> Evaluation:
    """Scores a stream of results against their targets.

    Args:
        results: in input order; each with ``details["probabilities"]`` (by label) and a target.
        labels: the model's classes, in the order of its outputs.
        training_counts: records per label in the training data, for the majority baseline.
        one_window_results: the same records, in the same order, predicted from one window each
            (a picture resized whole). Without it, ``details["first_window"]`` of each result
            is used where present; a record of a single window needs neither.
        excerpt: shows a record; called for the worst mistakes alone, at the end.
        options: see ``EvaluationOptions``.
        origin: what messages call the data.

    Raises:
        DataError: no record has a target that the model knows.
        RunError: a result has no usable probabilities, or the two streams do not match.
    """
    run = _Run(tuple(labels), options or EvaluationOptions(), one_window_results is not None)
    for result, one in _pairs(results, one_window_results):
        run.add(result, one)
    return run.finish(training_counts, excerpt, origin)


def _pairs(
    results: Iterable[Result | ErrorResult],
    others: Iterable[Result | ErrorResult] | None,
) -> Iterator[tuple[Result | ErrorResult, Result | ErrorResult | None]]:
    if others is None:
        yield from ((result, None) for result in results)
        return
    for result, other in itertools.zip_longest(results, others):
        if result is None or other is None or result.id != other.id:
            left, right = getattr(result, "id", None), getattr(other, "id", None)
            raise RunError(
                f"the one-window results must be of the same records in the same order, "
                f"but {right!r} came beside {left!r}"
            )
        yield result, other


@dataclass(slots=True)
class _Run:
    """What an evaluation under way holds."""

    labels: tuple[str, ...]
    options: EvaluationOptions
    second_run: bool
    ordinal: int = 0
    without_target: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_records: int = 0
    failure_count: int = 0
    failures: list[ErrorResult] = field(default_factory=list)
    receipts: ReceiptCounter = field(default_factory=ReceiptCounter)
    by_windows: AccuracyBySize = field(default_factory=AccuracyBySize)
    by_extent: AccuracyBySize = field(default_factory=AccuracyBySize)
    block: list[_Scored] = field(default_factory=list)
    index: dict[str, int] = field(init=False)
    metrics: ClassificationMetrics = field(init=False)
    one_window: OneWindow = field(init=False)
    worst: WorstMistakes = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = ClassificationMetrics(self.labels)
        self.one_window = OneWindow(self.labels)
        self.worst = WorstMistakes(self.options.mistakes)
        self.index = {label: index for index, label in enumerate(self.labels)}

    def add(self, result: Result | ErrorResult, other: Result | ErrorResult | None) -> None:
        ordinal, self.ordinal = self.ordinal, self.ordinal + 1
        if isinstance(result, ErrorResult):
            self.failure_count += 1
            if len(self.failures) < self.options.failures:
                self.failures.append(result)
            return
        if result.target is None:
            self.without_target += 1
            return
        if result.target not in self.index:
            self.unknown_records += 1
            if result.target in self.unknown or len(self.unknown) < _MOST_UNKNOWN_NAMES:
                self.unknown[result.target] += 1
            return
        self.block.append(
            _Scored(
                ordinal=ordinal,
                id=result.id,
                receipt=result.receipt,
                region=result.details.get("region"),
                target=self.index[result.target],
                row=self._row(result, "probabilities"),
                one=self._one_window_row(result, other),
            )
        )
        if len(self.block) == _BLOCK:
            self._flush()

    def _row(self, result: Result, key: str) -> NDArray[np.float64]:
        named = result.details.get(key)
        if not isinstance(named, Mapping):
            raise RunError(f"the result of record {result.id!r} has no {key!r} by label")
        try:
            row = np.array([named[label] for label in self.labels], dtype=np.float64)
        except KeyError as error:
            raise RunError(
                f"{key!r} of record {result.id!r} lack the model's label {error.args[0]!r}"
            ) from None
        if not np.isfinite(row).all():
            raise RunError(
                f"the model gave record {result.id!r} {key!r} that are not finite numbers; "
                "its weights are not usable"
            )
        return row

    def _one_window_row(
        self, result: Result, other: Result | ErrorResult | None
    ) -> NDArray[np.float64] | None:
        if isinstance(other, Result):
            return self._row(other, "probabilities")
        if not self.second_run and "first_window" in result.details:
            return self._row(result, "first_window")
        if not self.second_run and result.receipt.windows <= 1:
            return self._row(result, "probabilities")
        self.one_window.missing += 1
        return None

    def _flush(self) -> None:
        if not self.block:
            return
        targets = np.array([entry.target for entry in self.block])
        full = np.stack([entry.row for entry in self.block])
        self.metrics.add_many(targets, full)
        if all(entry.one is not None for entry in self.block):
            one = np.stack([entry.one for entry in self.block if entry.one is not None])
            self.one_window.add_many(targets, full, one)
        for entry, guess in zip(self.block, full.argmax(axis=1).tolist(), strict=True):
            self._score(entry, guess)
        self.block.clear()

    def _score(self, entry: _Scored, guess: int) -> None:
        receipt = entry.receipt
        correct = guess == entry.target
        one = None if entry.one is None else int(entry.one.argmax()) == entry.target
        self.receipts.add(receipt)
        self.by_windows.add(receipt.windows, correct, one)
        self.by_extent.add(receipt.extent, correct, one)
        if not correct:
            self.worst.add(
                Mistake(
                    ordinal=entry.ordinal,
                    id=entry.id,
                    target=self.labels[entry.target],
                    prediction=self.labels[guess],
                    score=float(entry.row[guess]),
                    target_probability=float(entry.row[entry.target]),
                    receipt=receipt,
                    region=entry.region,
                )
            )

    def finish(
        self,
        training_counts: Mapping[str, int] | None,
        excerpt: ExcerptReader | None,
        origin: str,
    ) -> Evaluation:
        self._flush()
        if not self.metrics.records:
            raise DataError(origin, self._nothing())
        options, summary = self.options, self.metrics.summary()
        level, seed = options.level, options.seed
        one = self.one_window.baseline(self._one_window_words(), level=level, seed=seed)
        majority = majority_class(summary, training_counts, level=level, seed=seed)
        return Evaluation(
            labels=self.labels,
            summary=summary,
            accuracy_interval=wilson(summary.correct, summary.records, level),
            macro_f1_interval=None
            if summary.confusion is None
            else bootstrap_macro_f1(summary.confusion, level=level, seed=seed),
            baselines=(majority,) if one is None else (majority, one),
            receipts=self.receipts.summary(),
            by_windows=self.by_windows.bins(level, one_window=one is not None),
            by_extent=self.by_extent.bins(level, one_window=one is not None),
            mistakes=self.worst.worst_first(excerpt),
            without_target=self.without_target,
            unknown_labels=dict(self.unknown.most_common()),
            unknown_label_records=self.unknown_records,
            failure_count=self.failure_count,
            failures=tuple(self.failures),
        )

    def _one_window_words(self) -> str:
        if self.second_run:
            return "the same model on the whole input made to fit one window"
        return "the same model on the first window of each record alone"

    def _nothing(self) -> str:
        """Why there is nothing to score."""
        if self.unknown_records:
            found = ", ".join(repr(label) for label in list(self.unknown)[:10])
            known = ", ".join(repr(label) for label in self.labels[:10])
            return (
                f"none of the data's labels ({found}) is one of the model's ({known}); "
                "evaluate on data with the model's labels, or name the right column with "
                "--columns label=NAME"
            )
        if self.without_target:
            return (
                f"none of the {self.without_target} records has a label to compare with; name the "
                "label column with --columns label=NAME, or use predict"
            )
        if self.failure_count:
            first = f": {self.failures[0].error}" if self.failures else ""
            return f"none of the {self.failure_count} records could be read{first}"
        return "there are no records"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """What is kept of a result until its block is full; rows are ``[classes]`` probabilities."""

    ordinal: int
    id: str
    receipt: Receipt
    region: Mapping[str, int] | None
    target: int
    row: NDArray[np.float64]
    one: NDArray[np.float64] | None
