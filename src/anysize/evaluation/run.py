"""The state of an evaluation under way: one pass over the results, bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import RunError
from anysize.core.plurals import none_of
from anysize.core.receipts import Receipt
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.baselines import OneWindow
from anysize.evaluation.lengths import AccuracyBySize, ReceiptCounter
from anysize.evaluation.metrics import ClassificationMetrics
from anysize.evaluation.mistakes import Mistake, WorstMistakes

_BLOCK = 256
_MOST_UNKNOWN_NAMES = 100


@dataclass(slots=True)
class EvaluationRun:
    """What an evaluation under way holds: counts, and a bounded choice of records.

    Attributes:
        labels: the model's classes.
        most_mistakes, most_failures: how many to keep.
        source: gives the targets of results that have none of their own.
        second_run: whether one-window answers come as results of their own.
    """

    labels: tuple[str, ...]
    most_mistakes: int
    most_failures: int
    source: Source | None = None
    second_run: bool = False
    ordinal: int = 0
    without_target: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_records: int = 0
    failure_count: int = 0
    failures: list[ErrorResult] = field(default_factory=list)
    copies: int = 0
    right_copies: int = 0
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
        self.worst = WorstMistakes(self.most_mistakes)
        self.index = {label: index for index, label in enumerate(self.labels)}

    def add(self, result: Result | ErrorResult, other: Result | ErrorResult | None = None) -> None:
        """Adds a record's result, with its one-window result where that is a run of its own."""
        ordinal, self.ordinal = self.ordinal, self.ordinal + 1
        if isinstance(result, ErrorResult):
            self.failure_count += 1
            if len(self.failures) < self.most_failures:
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
            self.flush()

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

    def flush(self) -> None:
        """Counts the results that wait for a full block."""
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
        seen = getattr(self.source, "seen", None)
        if seen is not None and seen[entry.ordinal]:
            self.copies += 1
            self.right_copies += correct
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

    def one_window_words(self) -> str:
        """What the one-window baseline is."""
        if self.second_run:
            return "the same model on the whole input made to fit one window"
        if self.receipts.longer == 0:
            return "the same model; every record fits into one window, so nothing differs"
        if "pixels" in self.receipts.units:
            return "the same model on the first tile of each picture alone"
        return "the same model on the first window of each record alone"

    def nothing_to_score(self) -> str:
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
                f"{none_of(self.without_target, 'record')} has a label to compare with; name the "
                "label column with --columns label=NAME, or use predict"
            )
        if self.failure_count:
            first = f": {self.failures[0].error}" if self.failures else ""
            return f"{none_of(self.failure_count, 'record')} could be read{first}"
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
