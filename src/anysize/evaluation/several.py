"""Evaluation of several labels for each record: F1, whole sets, average precision by label."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import several_rendering, several_report
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.mistakes import Mistake
from anysize.evaluation.passing import Passed
from anysize.evaluation.several_result import (
    LabelRow,
    SetBaseline,
    SeveralEvaluation,
    WrongSet,
    bootstrap,
)
from anysize.heads.set_meter import SetScores, average_precision, f1_of, measured

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("multi_label_classification",)

_MOST_WRONG = 24

several_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> SeveralEvaluation:
    """How good the sets of labels are.

    Raises:
        DataError: no record that could be read has labels.
    """
    passed, run = Passed(source), _Run(card.labels)
    for ordinal, result, target, _ in passed.scored(results):
        run.add(ordinal, result, target)
    if not run.records:
        passed.refuse("labels to compare with; name their column with --columns label=NAME")
    read = excerpt_reader(source.__getitem__)
    thresholds = tuple(card.head.get("thresholds", ())) or (0.5,) * len(card.labels)
    return run.finish(thresholds, card, passed, read)


def write_report(
    evaluation: SeveralEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and ``report.html``; see ``several_report``."""
    several_report.write(evaluation, folder, card=card, source=source)


class _Run:
    """What is counted while results stream past."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._places = {label: place for place, label in enumerate(labels)}
        size = len(labels)
        self.records = self._exact = 0
        self._right, self._told, self._there = (np.zeros(size, np.int64) for _ in range(3))
        self._kept, self._sets = SetScores(size), SetScores(size)
        self._unknown: Counter[str] = Counter()
        self._wrong = Highest[tuple[WrongSet, Mistake]](_MOST_WRONG)

    def add(self, ordinal: int, result: Result, target: Sequence[str]) -> None:
        truth, told = self._marked(target), self._marked(result.prediction)
        self._unknown.update(name for name in target if name not in self._places)
        likely = result.details["probabilities"]
        scores = np.array([likely[name] for name in self._labels], np.float32)
        self.records += 1
        self._exact += bool((truth == told).all())
        self._right += truth & told
        self._told += told
        self._there += truth
        self._kept.add(scores, truth)
        self._sets.add(told.astype(np.float32), truth)
        if (truth != told).any():
            self._keep(ordinal, result, target, float(np.abs(scores - truth).max()))

    def _marked(self, names: Sequence[str]) -> Any:
        marks = np.zeros(len(self._labels), bool)
        marks[[self._places[name] for name in names if name in self._places]] = True
        return marks

    def _keep(self, ordinal: int, result: Result, target: Sequence[str], far: float) -> None:
        if not self._wrong.takes(far, ordinal):
            return
        wrong = WrongSet(
            id=result.id, target=tuple(target), prediction=tuple(result.prediction), farthest=far
        )
        mistake = Mistake(
            ordinal=ordinal, id=result.id, target="", prediction="", score=0.0,
            target_probability=0.0, receipt=result.receipt,
        )  # fmt: skip
        self._wrong.add(far, ordinal, (wrong, mistake))

    def finish(
        self, thresholds: Sequence[float], card: Card, passed: Passed, read: Any
    ) -> SeveralEvaluation:
        f1 = f1_of(self._right, self._told, self._there)
        scores, truth = self._kept.scores, self._kept.truth
        precise = average_precision(scores, truth)
        both = int(self._told.sum() + self._there.sum())
        rows = tuple(
            LabelRow(
                label=label,
                support=int(self._there[place]),
                predicted=int(self._told[place]),
                precision=_part(self._right[place], self._told[place]),
                recall=_part(self._right[place], self._there[place]),
                f1=float(f1[place]),
                average_precision=None if np.isnan(precise[place]) else float(precise[place]),
                threshold=float(thresholds[place]),
            )
            for place, label in enumerate(self._labels)
        )
        return SeveralEvaluation(
            labels=self._labels,
            records=self.records,
            metrics={
                "macro_f1": float(f1.mean()),
                "micro_f1": 2 * int(self._right.sum()) / both if both else 0.0,
                "subset_accuracy": self._exact / self.records,
                "average_precision": float(np.nanmean(precise)) if self._there.any() else 0.0,
            },
            intervals=bootstrap(self._sets.scores > 0, truth),
            rows=rows,
            baselines=self._baselines(scores, truth, card),
            wrong=tuple(
                dataclasses.replace(wrong, excerpt=read(mistake))
                for wrong, mistake in self._wrong.entries()
            ),
            unknown_labels=dict(self._unknown.most_common(100)),
            **passed.account(),
        )

    def _baselines(self, scores: Any, truth: Any, card: Card) -> tuple[SetBaseline, ...]:
        """The model at 0.5, every label always, and the most frequent one always."""
        counts = card.provenance.get("label_counts") or {}
        known = [counts.get(name, 0) for name in self._labels]
        most = int(np.argmax(known if any(known) else self._there))
        only = np.zeros_like(truth)
        only[:, most] = True
        place = "training" if any(known) else "evaluated"
        return (
            SetBaseline(
                name="threshold_0.5",
                description="the same model with 0.5 as the threshold of every label",
                metrics=measured(scores >= 0.5, truth),
            ),
            SetBaseline(
                name="all_labels",
                description="every label for every record",
                metrics=measured(np.ones_like(truth), truth),
            ),
            SetBaseline(
                name="most_frequent",
                description=f"always {self._labels[most]!r} alone, the most frequent label of the "
                f"{place} data",
                metrics=measured(only, truth),
            ),
        )


def _part(above: Any, below: Any) -> float:
    return float(above / below) if below else 0.0
