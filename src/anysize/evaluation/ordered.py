"""Evaluation of ordered labels: agreement that counts how far off, and which steps are mixed up."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from anysize.core.highest import Highest
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import sectioned
from anysize.evaluation.excerpts import excerpt_reader
from anysize.evaluation.intervals import Interval, percentiles
from anysize.evaluation.mistakes import Mistake
from anysize.evaluation.numbers import percent
from anysize.evaluation.passing import Account, Passed
from anysize.evaluation.rendering import blank_table, read_in, render, unreadable, warning
from anysize.evaluation.sectioned import Miss, Section
from anysize.heads.rank_meter import measured

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("ordinal_regression",)

_MOST_FAR = 24
_REPLICATES = 1000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OrderedEvaluation(Account):
    """How a model of ordered labels did.

    Attributes:
        labels: from the lowest to the highest.
        records: how many were scored.
        metrics, intervals: by name.
        confusion: ``[targets, predictions]``.
        baseline: what is measured of always answering the median of the training data, which is
            ``median``.
        far: records that were most steps off, farthest first.
        unknown_labels: labels of the data that the model does not have; not scored.
    """

    labels: tuple[str, ...]
    records: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    confusion: NDArray[np.int64]
    median: str
    baseline: Mapping[str, float]
    far: tuple[Miss, ...]
    unknown_labels: Mapping[str, int]

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return dict(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds."""
        return {
            **self.main(),
            "records": self.records,
            "unknown_labels": dict(self.unknown_labels),
            "intervals": {name: each.to_json() for name, each in self.intervals.items()},
            "baselines": {"median": {"description": self._always(), **self.baseline}},
            "confusion": {"labels": list(self.labels), "matrix": self.confusion.tolist()},
            "worst_mistakes": [
                {"id": each.id, "target": each.wanted, "prediction": each.predicted}
                for each in self.far
            ],
            **self.account(),
        }

    def _always(self) -> str:
        return f"always {self.median!r}, the median of the training data"

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Name, value and interval of each metric, as they are shown."""
        for name, value in self.metrics.items():
            interval = self.intervals[name]
            shown = percent if name == "accuracy" else "{:.4f}".format
            yield name, shown(value), f"{shown(interval.low)} … {shown(interval.high)}"


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> OrderedEvaluation:
    """How far the steps are from the true ones.

    Raises:
        DataError: no record that could be read has a label that the model knows.
    """
    places = {label: place for place, label in enumerate(card.labels)}
    counts = np.zeros((len(places), len(places)), np.int64)
    unknown: Counter[str] = Counter()
    far = Highest[tuple[Miss, Mistake]](_MOST_FAR)
    passed = Passed(source)
    for ordinal, result, target, _ in passed.scored(results):
        if target not in places:
            unknown[target] += 1
            continue
        place, answer = places[target], places[result.prediction]
        counts[place, answer] += 1
        if place != answer:
            mistake = Mistake(
                ordinal=ordinal, id=result.id, target=target, prediction=result.prediction,
                score=0.0, target_probability=0.0, receipt=result.receipt,
            )  # fmt: skip
            miss = Miss(id=result.id, wanted=target, predicted=result.prediction)
            far.add(abs(place - answer), ordinal, (miss, mistake))
    if not counts.sum():
        passed.without_target += sum(unknown.values())
        passed.refuse("a label that the model knows; name its column with --columns label=NAME")
    read = excerpt_reader(source.__getitem__)
    middle = _median(card)
    always = np.zeros_like(counts)
    always[:, places[middle]] = counts.sum(1)
    return OrderedEvaluation(
        labels=tuple(card.labels),
        records=int(counts.sum()),
        metrics=measured(counts),
        intervals=_intervals(counts),
        confusion=counts,
        median=middle,
        baseline=measured(always),
        far=tuple(dataclasses.replace(miss, excerpt=read(each)) for miss, each in far.entries()),
        unknown_labels=dict(unknown.most_common(100)),
        **passed.account(),
    )


def write_report(
    evaluation: OrderedEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and ``report.html``."""
    receipts = evaluation.receipts
    own = evaluation.metrics
    names = {"quadratic_kappa": "quadratic weighted kappa", "mae": "mean distance in ranks"}
    cards = [(names.get(name, name), value, note) for name, value, note in evaluation.lines()]
    cards += [
        ("records", f"{evaluation.records:,}", f"{len(evaluation.labels):,} steps"),
        (
            "windows",
            f"{receipts.windows:,}",
            f"{receipts.longer_than_window:,} records longer than one",
        ),
    ]
    compared = Section(
        title="Against a simple baseline",
        columns=("system", "quadratic kappa", "distance in ranks", "accuracy"),
        rows=[
            (name, f"{each['quadratic_kappa']:.4f}", f"{each['mae']:.4f}",
             percent(each["accuracy"]))
            for name, each in (
                ("this model", own),
                (f"always {evaluation.median!r}, the median of the training data",
                 evaluation.baseline),
            )
        ],
    )  # fmt: skip
    confusion = Section(
        title="Steps",
        words="Rows are steps of the data, columns predictions.",
        columns=("in the data", *evaluation.labels),
        rows=[
            (label, *(f"{count:,}" for count in row))
            for label, row in zip(evaluation.labels, evaluation.confusion.tolist(), strict=True)
        ],
    )
    far = Section(
        title="Most steps off",
        words="A wrong label in the data shows here first.",
        misses=evaluation.far,
    )
    sectioned.write(
        evaluation,
        folder,
        cards=cards,
        notices=evaluation.notices("label"),
        sections=[compared, confusion, far],
        card=card,
        source=source,
    )


def _median(card: Card) -> str:
    """The label in the middle of the training records; of unknown ones the middle label."""
    counts = card.provenance.get("label_counts") or {}
    known = np.cumsum([counts.get(name, 0) for name in card.labels])
    if not known[-1]:
        return card.labels[len(card.labels) // 2]
    return card.labels[int(np.searchsorted(known, known[-1] / 2))]


def _intervals(counts: NDArray[np.int64], level: float = 0.95) -> dict[str, Interval]:
    """Percentile bootstrap intervals: drawing records is drawing the cells of their counts."""
    generator = np.random.default_rng(0)
    total, cells = int(counts.sum()), counts.reshape(-1)
    found: dict[str, list[float]] = {}
    for sample in generator.multinomial(total, cells / total, size=_REPLICATES):
        for name, value in measured(sample.reshape(counts.shape)).items():
            found.setdefault(name, []).append(value)
    return {name: percentiles(values, level) for name, values in found.items()}


@render.register
def _shown(evaluation: OrderedEvaluation) -> RenderableType:
    table = blank_table("metric", "value", "95% interval")
    for line in evaluation.lines():
        table.add_row(*line)
    compared = blank_table("baseline", "quadratic_kappa", "mae", "accuracy")
    each = evaluation.baseline
    compared.add_row(
        escape(f"median: always {evaluation.median!r}, the median of the training data"),
        f"{each['quadratic_kappa']:.4f}",
        f"{each['mae']:.4f}",
        percent(each["accuracy"]),
    )
    receipts = evaluation.receipts
    words = (
        f"{read_in(evaluation.records, receipts.windows)}; "
        f"{receipts.longer_than_window:,} longer than one window, "
        f"{receipts.fully_covered:,} read completely"
    )
    parts: list[RenderableType] = [table, compared, Text(words)]
    if evaluation.without_target:
        parts.append(warning(f"{evaluation.without_target:,} records without a label"))
    parts += unreadable(evaluation.failure_count, evaluation.failures[:10])
    return Group(*parts)
