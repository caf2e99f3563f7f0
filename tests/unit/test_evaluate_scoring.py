"""Evaluations from streams of results."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError, RunError
from anysize.core.excerpts import Excerpt
from anysize.core.findings import Findings
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import EvaluationOptions, evaluate
from anysize.evaluation.classification import measure
from anysize.evaluation.learned import note_learned
from anysize.evaluation.mistakes import Mistake
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card

LABELS = ("no", "yes")


def result(
    index: int,
    target: str | None,
    yes: float,
    *,
    windows: int = 1,
    first: float | None = None,
    covered: float = 1.0,
) -> Result:
    details: dict[str, object] = {"probabilities": {"no": 1 - yes, "yes": yes}}
    if first is not None:
        details["first_window"] = {"no": 1 - first, "yes": first}
    return Result(
        id=f"r{index}",
        prediction="yes" if yes > 0.5 else "no",
        score=max(yes, 1 - yes),
        receipt=Receipt(
            extent=100 * windows,
            unit="tokens",
            windows=windows,
            covered=covered,
            dropped=round((1 - covered) * 100 * windows),
            merge="mean",
            fidelity="exact" if windows == 1 else "approximate",
            reason=None if covered == 1.0 else "over the limit",
        ),
        details=details,
        target=target,
    )


@dataclass(frozen=True)
class ListSource:
    targets: list[str | None]
    name: str = "reviews.csv"
    read: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Record:
        self.read.append(index)
        return Record(id=f"r{index}", fields={}, target=self.targets[index])

    def fingerprint(self) -> str:
        return "0" * 16


def test_scores_a_stream_and_writes_metric_names_first() -> None:
    evaluation = evaluate(
        [result(0, "yes", 0.9), result(1, "no", 0.2), result(2, "no", 0.8), result(3, "yes", 0.6)],
        LABELS,
    )
    entries = evaluation.to_json()
    assert list(entries)[:3] == ["accuracy", "macro_f1", "ece"]
    assert entries["accuracy"] == 0.75
    assert entries["log_loss"] == pytest.approx(
        -(math.log(0.9) + math.log(0.8) + math.log(0.2) + math.log(0.6)) / 4
    )
    assert entries["confusion"] == {"labels": ["no", "yes"], "matrix": [[1, 1], [0, 2]]}
    assert "top5" not in entries
    assert json.loads(json.dumps(entries)) == entries


def test_targets_come_from_the_source_where_results_have_none() -> None:
    source = ListSource(["yes", None, "no", "yes"])
    stream = [result(0, None, 0.9), result(1, None, 0.9), ErrorResult(id="r2", error="torn"),
              result(3, None, 0.2)]  # fmt: skip
    evaluation = evaluate(stream, LABELS, source=source, excerpt=lambda mistake: Excerpt())
    assert evaluation.summary.records == 2
    assert (evaluation.without_target, evaluation.failure_count) == (1, 1)
    assert [mistake.ordinal for mistake in evaluation.mistakes] == [3]


def test_majority_baseline_says_where_its_class_comes_from() -> None:
    stream = [result(0, "yes", 0.9), result(1, "yes", 0.9), result(2, "no", 0.9)]
    (from_data, _) = evaluate(stream, LABELS).baselines
    assert from_data.accuracy == pytest.approx(2 / 3)
    assert "'yes'" in from_data.description and "evaluated data" in from_data.description
    (from_training, _) = evaluate(stream, LABELS, training_counts={"no": 9, "yes": 1}).baselines
    assert from_training.accuracy == pytest.approx(1 / 3)
    assert "'no'" in from_training.description and "training data" in from_training.description


def test_majority_baseline_equals_scoring_its_answers() -> None:
    generator = np.random.default_rng(0)
    stream = [
        result(index, str(generator.choice(LABELS, p=[0.3, 0.7])), float(generator.random()))
        for index in range(300)
    ]
    baseline = evaluate(stream, LABELS).baselines[0]
    always = [result(index, entry.target, 1.0) for index, entry in enumerate(stream)]
    scored = evaluate(always, LABELS)
    assert baseline.accuracy == pytest.approx(scored.summary.accuracy)
    assert baseline.macro_f1 == pytest.approx(scored.summary.macro_f1)
    right = [entry.prediction == entry.target for entry in stream]
    hits = [entry.target == "yes" for entry in stream]
    cells = baseline.difference.counts
    assert cells.both == sum(a and b for a, b in zip(right, hits, strict=True))
    assert cells.neither == sum(not a and not b for a, b in zip(right, hits, strict=True))
    assert cells.records == 300


def test_one_window_baseline_from_the_first_window() -> None:
    stream = [
        result(0, "yes", 0.9, windows=3, first=0.2),
        result(1, "no", 0.1, windows=2, first=0.3),
        result(2, "no", 0.8),
    ]
    baseline = evaluate(stream, LABELS).baselines[1]
    assert baseline.name == "one_window"
    assert baseline.accuracy == pytest.approx(1 / 3)
    assert baseline.difference.difference == pytest.approx(1 / 3)
    cells = baseline.difference.counts
    assert (cells.both, cells.first_only, cells.second_only, cells.neither) == (1, 1, 0, 1)


def test_no_one_window_baseline_where_a_record_has_no_answer() -> None:
    stream = [result(0, "yes", 0.9, windows=3), result(1, "no", 0.1)]
    evaluation = evaluate(stream, LABELS)
    assert [baseline.name for baseline in evaluation.baselines] == ["majority_class"]
    assert evaluation.by_windows[0].one_window_accuracy is None


def test_one_window_baseline_from_a_second_run() -> None:
    full = [result(0, "yes", 0.9, windows=9), ErrorResult(id="r1", error="torn")]
    one = [result(0, "yes", 0.3), ErrorResult(id="r1", error="torn")]
    baseline = evaluate(full, LABELS, one_window_results=one).baselines[1]
    assert baseline.accuracy == 0.0
    with pytest.raises(RunError, match="same records in the same order"):
        evaluate(full, LABELS, one_window_results=one[:1])
    with pytest.raises(RunError, match="'r1' came beside 'r0'"):
        evaluate(full, LABELS, one_window_results=one[::-1])


def test_unknown_labels_are_named_and_not_scored() -> None:
    stream = [result(0, "yes", 0.9), result(1, "perhaps", 0.9), result(2, "perhaps", 0.1)]
    evaluation = evaluate(stream, LABELS)
    assert evaluation.summary.records == 1
    assert evaluation.unknown_labels == {"perhaps": 2}
    assert evaluation.to_json()["unknown_label_records"] == 2


def test_names_of_unknown_labels_are_bounded() -> None:
    stream = [result(0, "yes", 0.9)] + [result(i, f"name {i}", 0.9) for i in range(1, 500)]
    evaluation = evaluate(stream, LABELS)
    assert len(evaluation.unknown_labels) == 100
    assert evaluation.unknown_label_records == 499


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ([result(0, None, 0.9)], r"no record \(1 in all\) has a label.*--columns label=NAME"),
        ([result(0, "maybe", 0.9)], r"data's labels \('maybe'\) is one of the model's \('no', 'y"),
        ([ErrorResult(id="r0", error="torn")], r"no record \(1 in all\) could be read: torn"),
        ([], "there are no records"),
    ],
)
def test_nothing_to_score_is_explained(stream: list[Result | ErrorResult], words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(stream, LABELS)


@dataclass(frozen=True)
class RowSource:
    """Its targets are known from its records alone."""

    rows: list[str | DataError | None]
    name: str = "reviews.csv"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Record:
        row = self.rows[index]
        if isinstance(row, DataError):
            raise row
        return Record(id=f"r{index}", fields={}, target=row)

    def fingerprint(self) -> str:
        return "0" * 16


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["good", None, "bad"], "none of the data's labels ('bad', 'good') is one of the model's"),
        ([None, None], "no record (2 in all) has a label"),
        ([], "there are no records"),
    ],
)
def test_what_targets_alone_tell_is_told_before_the_model_runs(
    rows: list[str | None], words: str
) -> None:
    def results() -> Iterator[Result]:
        pytest.fail("the model ran")
        yield

    card = Card(
        task="text-classification", labels=LABELS, model="lstm", settings=TextSettings(window=32)
    )
    with pytest.raises(DataError) as caught:
        measure(results(), card=card, source=RowSource([*rows]))
    assert str(caught.value).startswith("reviews.csv: " + words)


def test_rows_that_cannot_be_read_are_told_as_that() -> None:
    card = Card(
        task="text-classification", labels=LABELS, model="lstm", settings=TextSettings(window=32)
    )
    source = RowSource([DataError("a.csv:0", "torn")])
    failed = [ErrorResult(id="a.csv:0", error="a.csv:0: torn")]
    with pytest.raises(DataError, match=r"no record \(1 in all\) could be read: a.csv:0: torn"):
        measure(failed, card=card, source=source)


@pytest.mark.parametrize(
    ("learned", "warned"),
    [
        ("reviews.csv (training part)", True),
        ("./reviews.csv (training part)", True),
        ("reviews.csv", False),
        ("others.csv (training part)", False),
    ],
)
def test_judging_a_model_by_what_it_learned_from_is_a_finding(learned: str, warned: bool) -> None:
    card = Card(
        task="text-classification",
        labels=LABELS,
        model="lstm",
        settings=TextSettings(window=32),
        provenance={"data": learned},
    )
    findings = Findings()
    note_learned(card, RowSource(["yes"]), findings)
    assert [one.message.split(":")[0] for one in findings] == ["reviews.csv"] * warned
    assert all("--split test" in one.remedy for one in findings)


def test_unusable_probabilities_stop_the_run() -> None:
    with pytest.raises(RunError, match=r"record 'r7'.*not finite"):
        evaluate([result(7, "yes", math.nan)], LABELS)
    with pytest.raises(RunError, match="lack the model's label 'third'"):
        evaluate([result(7, "yes", 0.5)], (*LABELS, "third"))


def test_worst_mistakes_first_and_only_they_are_shown() -> None:
    generator = np.random.default_rng(1)
    chances = generator.random(1000) * 0.5
    stream = [result(index, "yes", float(chance)) for index, chance in enumerate(chances)]
    asked: list[str] = []

    def excerpt(mistake: Mistake) -> Excerpt:
        asked.append(mistake.id)
        return Excerpt(text=mistake.id)

    kept = evaluate(stream, LABELS, excerpt=excerpt, options=EvaluationOptions(mistakes=5))
    worst = [f"r{index}" for index in np.argsort(chances)[:5]]
    assert [mistake.id for mistake in kept.mistakes] == worst
    assert sorted(asked) == sorted(worst)
    assert kept.mistakes[0].excerpt == Excerpt(text=worst[0])
    none = evaluate(stream, LABELS, options=EvaluationOptions(mistakes=0))
    assert none.mistakes == ()


def test_receipts_are_added_up_and_accuracy_goes_by_size() -> None:
    stream = [
        result(0, "yes", 0.9, windows=1),
        result(1, "yes", 0.1, windows=3),
        result(2, "yes", 0.9, windows=4),
        result(3, "yes", 0.9, windows=17, covered=0.5),
    ]
    evaluation = evaluate(stream, LABELS)
    receipts = evaluation.receipts
    assert (receipts.windows, receipts.most_windows, receipts.longer_than_window) == (25, 17, 3)
    assert (receipts.fully_covered, receipts.lowest_covered) == (3, 0.5)
    assert receipts.reasons == {"over the limit": 1}
    assert receipts.fidelity == {"exact": 1, "approximate": 3}
    shown = [(entry.low, entry.high, entry.records) for entry in evaluation.by_windows]
    assert shown == [(1, 1, 1), (3, 4, 2), (17, 32, 1)]
    assert [entry.accuracy for entry in evaluation.by_windows] == [1.0, 0.5, 1.0]


def test_memory_does_not_grow_with_the_stream() -> None:
    def stream(count: int) -> Iterator[Result | ErrorResult]:
        for index in range(count):
            if index % 5 == 0:
                yield ErrorResult(id=f"r{index}", error="torn")
            else:
                yield result(index, f"odd {index}" if index % 7 == 0 else "yes", 0.2)

    def peak(count: int) -> int:
        tracemalloc.start()
        evaluate(stream(count), LABELS)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(8_000) < 1.2 * peak(2_000)


def test_options_are_checked_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EvaluationOptions(mistakes=-1, failures=-1, level=2.0)
    assert len(caught.value.problems) == 3
