"""From a stream of results to an ``Evaluation``, and what ``metrics.json`` says of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.core.findings import Finding
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.baselines import Baseline, majority_class
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.intervals import Interval, bootstrap_macro_f1, wilson
from anysize.evaluation.lengths import LengthBin, ReceiptSummary
from anysize.evaluation.metrics import ClassificationSummary, most_confused
from anysize.evaluation.mistakes import ExcerptReader, Mistake
from anysize.evaluation.run import EvaluationRun

_LARGEST_MATRIX_IN_JSON = 100


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
        findings: what was guessed, repaired or left out of the data.
        copies: records with the content of a training record, where that is known, and how many
            of them were answered rightly.
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
    findings: tuple[Finding, ...] = ()
    copies: tuple[int, int] = (0, 0)

    @property
    def accuracy_without_copies(self) -> float | None:
        """Over the records that are no copies of training records; None where all are, or none."""
        records = self.summary.records - self.copies[0]
        if not self.copies[0] or not records:
            return None
        return (self.summary.correct - self.copies[1]) / records

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
            "copies_of_training_records": self.copies[0],
            "accuracy_without_copies": self.accuracy_without_copies,
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
            "findings": [finding.to_json() for finding in self.findings],
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
        source: of the results' records, in the same order. It gives the target of a
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
    options = options or EvaluationOptions()
    run = EvaluationRun(
        tuple(labels),
        most_mistakes=options.mistakes,
        most_failures=options.failures,
        source=source,
        second_run=one_window_results is not None,
    )
    for result, one in _pairs(results, one_window_results):
        run.add(result, one)
    run.flush()
    if not run.metrics.records:
        # A source without records counts as false.
        name = "results" if source is None else source.name
        raise DataError(name, run.nothing_to_score())
    if excerpt is None and source is not None:
        excerpt = excerpt_reader(source.__getitem__)
    return _finished(run, options, training_counts, excerpt)


def _finished(
    run: EvaluationRun,
    options: EvaluationOptions,
    training_counts: Mapping[str, int] | None,
    excerpt: ExcerptReader | None,
) -> Evaluation:
    level, seed, summary = options.level, options.seed, run.metrics.summary()
    one = run.one_window.baseline(run.one_window_words(), level=level, seed=seed)
    majority = majority_class(summary, training_counts, level=level, seed=seed)
    return Evaluation(
        labels=run.labels,
        summary=summary,
        accuracy_interval=wilson(summary.correct, summary.records, level),
        macro_f1_interval=None
        if summary.confusion is None
        else bootstrap_macro_f1(summary.confusion, level=level, seed=seed),
        baselines=(majority,) if one is None else (majority, one),
        receipts=run.receipts.summary(),
        by_windows=run.by_windows.bins(level, one_window=one is not None),
        by_extent=run.by_extent.bins(level, one_window=one is not None),
        mistakes=run.worst.worst_first(excerpt),
        without_target=run.without_target,
        unknown_labels=dict(run.unknown.most_common()),
        unknown_label_records=run.unknown_records,
        failure_count=run.failure_count,
        failures=tuple(run.failures),
        copies=(run.copies, run.right_copies),
    )


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
