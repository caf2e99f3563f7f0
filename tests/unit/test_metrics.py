"""Metrics against scikit-learn and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from anysize.core.errors import ConfigurationError, RunError
from anysize.evaluation.metrics import ClassificationMetrics, most_confused


def drawn(classes: int, records: int, seed: int, skill: float = 1.0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(classes, size=records)
    logits = generator.normal(size=(records, classes))
    logits[np.arange(records), targets] += skill
    shares = np.exp(logits)
    return targets, shares / shares.sum(axis=1, keepdims=True)


def labels_of(classes: int) -> list[str]:
    return [f"class {index}" for index in range(classes)]


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(2, 12), records=st.integers(1, 200), seed=st.integers(0, 10**6))
def test_agrees_with_scikit_learn(classes: int, records: int, seed: int) -> None:
    targets, table = drawn(classes, records, seed)
    metrics = ClassificationMetrics(labels_of(classes))
    for start in range(0, records, 7):
        metrics.add_many(targets[start : start + 7], table[start : start + 7])
    summary = metrics.summary()
    guess = table.argmax(axis=1)
    every = list(range(classes))
    assert summary.records == records
    assert summary.accuracy == pytest.approx(oracle.accuracy_score(targets, guess))
    assert summary.macro_f1 == pytest.approx(
        oracle.f1_score(targets, guess, average="macro", zero_division=0)
    )
    assert summary.log_loss == pytest.approx(oracle.log_loss(targets, table, labels=every))
    assert summary.confusion is not None
    np.testing.assert_array_equal(
        summary.confusion, oracle.confusion_matrix(targets, guess, labels=every)
    )
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        targets, guess, labels=every, zero_division=0
    )
    assert [row.precision for row in summary.classes] == pytest.approx(list(precision))
    assert [row.recall for row in summary.classes] == pytest.approx(list(recall))
    assert [row.f1 for row in summary.classes] == pytest.approx(list(f1))
    assert [row.support for row in summary.classes] == list(support)
    if classes > 5:
        assert summary.top5 == pytest.approx(
            oracle.top_k_accuracy_score(targets, table, k=5, labels=every)
        )
    else:
        assert summary.top5 is None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), records=st.integers(1, 300))
def test_ece_is_its_definition(seed: int, records: int) -> None:
    targets, table = drawn(4, records, seed, skill=0.5)
    metrics = ClassificationMetrics(labels_of(4))
    metrics.add_many(targets, table)
    confidence, right = table.max(axis=1), table.argmax(axis=1) == targets
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert metrics.summary().ece == pytest.approx(expected)


def test_ece_of_known_cases() -> None:
    sure = ClassificationMetrics(["a", "b"])
    sure.add_many([0, 1, 0, 1], [[1.0, 0.0]] * 4)
    assert sure.summary().ece == pytest.approx(0.5)
    fair = ClassificationMetrics(["a", "b"])
    fair.add_many([0, 0, 0, 1], [[0.75, 0.25]] * 4)
    assert fair.summary().ece == pytest.approx(0.0)
    assert sum(entry.count for entry in fair.summary().calibration) == 4


def test_one_by_one_equals_all_at_once() -> None:
    targets, table = drawn(7, 50, 3)
    one, many = ClassificationMetrics(labels_of(7)), ClassificationMetrics(labels_of(7))
    for target, row in zip(targets, table, strict=True):
        one.add(int(target), row)
    many.add_many(targets, table)
    assert one.summary().main() == pytest.approx(many.summary().main())


def test_class_absent_from_the_data_does_not_lower_macro_f1() -> None:
    metrics = ClassificationMetrics(["a", "b", "never"])
    metrics.add_many([0, 1], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    summary = metrics.summary()
    assert summary.macro_f1 == 1.0
    assert (summary.classes[2].support, summary.classes[2].f1) == (0, 0.0)


def test_certain_mistake_has_finite_log_loss() -> None:
    metrics = ClassificationMetrics(["a", "b"])
    metrics.add(0, [0.0, 1.0])
    assert metrics.summary().log_loss == pytest.approx(-math.log(5e-7))


def test_top5_breaks_ties_in_the_order_of_labels() -> None:
    metrics = ClassificationMetrics(labels_of(8))
    metrics.add_many([4, 5], np.full((2, 8), 1 / 8))
    assert metrics.summary().top5 == 0.5


def test_most_confused_pairs() -> None:
    metrics = ClassificationMetrics(["a", "b", "c"])
    eye = np.eye(3)
    metrics.add_many([0, 0, 0, 1, 2, 2], eye[[1, 1, 0, 1, 0, 2]])
    first, second = most_confused(metrics.summary())
    assert (first.target, first.prediction, first.count) == ("a", "b", 2)
    assert first.share == pytest.approx(2 / 3)
    assert (second.target, second.prediction, second.count) == ("c", "a", 1)


def test_very_many_classes_keep_no_matrix() -> None:
    metrics = ClassificationMetrics(labels_of(3000))
    metrics.add_many([2999], np.full((1, 3000), 1 / 3000))
    summary = metrics.summary()
    assert summary.confusion is None
    assert most_confused(summary) == ()


@pytest.mark.parametrize(
    ("targets", "table", "words"),
    [
        ([0], [[0.5, 0.5, 0.0]], r"shape \[1, 2\], not \[1, 3\]"),
        ([2], [[0.5, 0.5]], "from 0 to 1, not 2"),
        ([-1], [[0.5, 0.5]], "from 0 to 1, not -1"),
    ],
)
def test_refuses_what_does_not_fit(targets: list[int], table: list, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ClassificationMetrics(["a", "b"]).add_many(targets, table)


def test_refuses_not_a_number() -> None:
    with pytest.raises(RunError, match="not finite"):
        ClassificationMetrics(["a", "b"]).add(0, [math.nan, 0.5])


def test_refuses_empty_streams_and_labels() -> None:
    with pytest.raises(ConfigurationError, match="at least one record"):
        ClassificationMetrics(["a", "b"]).summary()
    with pytest.raises(ConfigurationError, match="at least one class"):
        ClassificationMetrics([])
    with pytest.raises(ConfigurationError, match="twice: \\['a'\\]"):
        ClassificationMetrics(["a", "b", "a"])
