"""From a stream of results to an ``Evaluation``: one pass, bounded memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, RunError
from anysize.core.receipts import Receipt
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluate.baselines import OneWindow, majority_class
from anysize.evaluate.evaluation import Evaluation, EvaluationOptions
from anysize.evaluate.excerpts import excerpt_reader
from anysize.evaluate.intervals import bootstrap_macro_f1, wilson
from anysize.evaluate.lengths import AccuracyBySize, ReceiptCounter
from anysize.evaluate.metrics import ClassificationMetrics
from anysize.evaluate.mistakes import ExcerptReader, Mistake, WorstMistakes

_BLOCK = 256
_MOST_UNKNOWN_NAMES = 100


def evaluate(
    results: Iterable[Result | ErrorResult],
    labels: Sequence[str],
    *,
    source: Source | None = None,
    training_counts: Mapping[str, int] | None = None,
    one_window_results: Iterable[Result | ErrorResult] | None = None,
    excerpt: ExcerptReader | None = None,
    options: EvaluationOptions | None = None,
) -> Evaluation:
    """Scores a stream of results against their targets.

    Args:
        results: in input order; each with ``details["probabilities"]`` (by label).
        labels: the model's classes, in the order of its outputs.
        source: where the results' records stand, in the same order. It tells the target of a
            result that has none of its own, and shows the worst mistakes.
        training_counts: records per label in the training data, for the majority baseline.
        one_window_results: the same records, in the same order, predicted from one window each
            (a picture resized whole). Without it, ``details["first_window"]`` of each result
            is used where present; a record of a single window needs neither.
        excerpt: shows a record in its own way; called for the worst mistakes alone, at the end.
        options: see ``EvaluationOptions``.

    Raises:
        DataError: no record has a target that the model knows.
        RunError: a result has no usable probabilities, or the two streams do not match.
    """
    run = _Run(
        tuple(labels), options or EvaluationOptions(), source, one_window_results is not None
    )
    for result, one in _pairs(results, one_window_results):
        run.add(result, one)
    if excerpt is None and source is not None:
        excerpt = excerpt_reader(source.__getitem__)
    return run.finish(training_counts, excerpt)


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
    source: Source | None
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
        target = result.target
        if target is None and self.source is not None:
            target = self.source[ordinal].target
        if target is None:
            self.without_target += 1
            return
        if target not in self.index:
            self.unknown_records += 1
            if target in self.unknown or len(self.unknown) < _MOST_UNKNOWN_NAMES:
                self.unknown[target] += 1
            return
        self.block.append(
            _Scored(
                ordinal=ordinal,
                id=result.id,
                receipt=result.receipt,
                region=result.details.get("region"),
                target=self.index[target],
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
    ) -> Evaluation:
        self._flush()
        if not self.metrics.records:
            raise DataError(self.source.name if self.source else "results", self._nothing())
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
        words = "the same model on the first window of each record alone"
        if self.receipts.longer == 0:
            words += "; every record fits into one, so it is the same"
        return words

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
