"""What recipes say of heads, and sampling that visits rare classes as often as the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.sources.memory import FieldSource
from anysize.training.order import Cursor, Order, Strata
from anysize.training.recipe import Recipe
from anysize.training.selection import strata_of, task_of, with_loss


def recipe(task: str = "text-classification", **options: Any) -> Recipe:
    return Recipe(task=task, data="d.csv", model="lstm", out="o", **options)


def test_a_recipe_names_head_and_metric() -> None:
    task: Any = task_of(recipe(head="several", metric="micro_f1", separator=";"))
    assert (task.head.name, task.head.separator) == ("multi_label_classification", ";")
    assert task.main_metric == "micro_f1"
    task = task_of(recipe(head="ordered", order=("low", "high"), metric="mae"))
    assert (task.head.steps, task.lower_is_better) == (("low", "high"), True)
    task = task_of(recipe("text-regression", interval=0.5, metric="rmse"))
    assert task.headed(task.head).head.level == 0.5


def test_messages_name_each_head_once_and_only_those_of_the_task() -> None:
    with pytest.raises(ConfigurationError) as refused:
        recipe(head="sorted")
    names = (
        "multi_label_classification, ordinal_regression, regression, single_label_classification"
    )
    assert f"head must be one of {names}, not 'sorted'" in refused.value.problems
    with pytest.raises(ConfigurationError) as refused:
        recipe(head="regression")
    names = "multi_label_classification, ordinal_regression, single_label_classification"
    assert refused.value.problems == [f"head must be one of {names}, not 'regression'"]


def test_options_without_effect_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="interval has no effect on text-classification"):
        recipe(interval=0.5)
    with pytest.raises(ConfigurationError, match="sampling has no effect on text-regression"):
        recipe("text-regression", sampling="balanced")
    with pytest.raises(ConfigurationError, match="separator has no effect on the head single"):
        task_of(recipe(head="one", separator=";"))
    with pytest.raises(ConfigurationError, match=r"metric must be one of accuracy.*'r2'"):
        task_of(recipe(head="one", metric="r2"))
    with pytest.raises(ConfigurationError, match="is for regression, not for text-classification"):
        task_of(recipe(head="number"))


def test_all_classes_are_visited_equally_often() -> None:
    classes = np.array([0] * 90 + [1] * 9 + [2], np.int32)
    order = Order(records=100, batch=8, seed=3, strata=Strata(classes))
    visits: list[int] = []
    for epoch in range(9):
        own = [record for _, record in order.indices(Cursor(epoch=epoch), 0, 1)]
        assert len(own) == 100
        count = Counter(classes[own].tolist())
        assert max(count.values()) - min(count.values()) <= 1
        visits += own
    seen = Counter(visits)
    assert set(seen) == set(range(100))
    assert {seen[record] for record in range(90, 99)} <= set(range(30, 38))


def test_balanced_visits_are_the_same_after_a_stop_and_for_any_workers() -> None:
    order = Order(records=60, batch=7, seed=1, strata=Strata(np.arange(60, dtype=np.int32) % 4))
    whole = dict(order.indices(Cursor(epoch=2), 0, 1))
    rest = dict(order.indices(Cursor(epoch=2, place=21, step=3), 0, 1))
    assert rest == {place: record for place, record in whole.items() if place >= 21}
    shared = [dict(order.indices(Cursor(epoch=2), worker, 2)) for worker in range(2)]
    assert {**shared[0], **shared[1]} == whole
    block = order.block(Cursor(epoch=2, place=21, step=3))
    assert order.permutation(2).block(block.start, block.stop).tolist() == [
        whole[place] for place in range(block.start, block.stop)
    ]


class _Labelled(FieldSource):
    def __init__(self, labels: list[Any]) -> None:
        super().__init__("text", ["x"] * len(labels))  # type: ignore[list-item]
        self._labels = labels

    def targets(self) -> Any:
        return iter(self._labels)


def test_a_record_of_several_labels_goes_by_the_rarest() -> None:
    card = Card(
        task="text-classification", labels=("a", "b", "c"), model="lstm",
        settings=TextSettings(window=16), provenance={"label_counts": {"a": 9, "b": 3, "c": 1}},
    )  # fmt: skip
    task: Any = task_of(recipe(head="several", sampling="balanced", class_weights="balanced"))
    source = _Labelled([("a",), ("a", "b"), ("b",), ("a", "c"), ()])
    strata = strata_of(task, card, source)
    assert strata is not None
    visited = strata.records(np.arange(8), 0, 0)
    assert {int(each) for each in visited[1::4]} == {1, 2}  # those that go by b, in turns
    assert with_loss(task, card, source).loss_options.weights == (1.0, 1.0, 4.0)  # type: ignore[attr-defined]
    assert strata_of(tasks.load("text-classification"), card, source) is None


def test_a_bundle_keeps_the_metric_that_it_goes_by(tmp_path: Path) -> None:
    card = Card(
        task="text-classification", labels=("a", "b"), model="lstm",
        settings=TextSettings(window=16),
        head={"name": "single_label_classification", "metric": "macro_f1"},
    )  # fmt: skip
    assert tasks.of(card).main_metric == "macro_f1"
