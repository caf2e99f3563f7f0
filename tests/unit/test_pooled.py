"""Gradients in two passes against the one graph over the same micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan, wasteful
from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.texts.settings import TextSettings
from anysize.models.execution import Tensors, make_execution
from anysize.models.network import Network
from anysize.tasks.classification import Classification
from anysize.tasks.protocols import LossBatch
from anysize.training.order import mix
from anysize.training.pooled import (
    Objective,
    Windows,
    cost,
    group,
    one_graph,
    split,
    two_passes,
)

CLASSES = 3


class AnyTask(Classification):
    name = "any"
    unit = "tokens"


def bert(dropout: float) -> Network:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    module = BertForSequenceClassification(
        BertConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
            num_labels=CLASSES,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )
    return Network(module=module, spec="tiny", settings=TextSettings(window=16))


class BatchNormNet(nn.Module):
    """The smallest picture net with batch statistics, in the form of a transformers model."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_labels=CLASSES)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
        )
        self.classifier = nn.Linear(4, CLASSES)

    def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.classifier(self.body(pixel_values).mean((2, 3))))


def net_with_batch_norm() -> Network:
    torch.manual_seed(0)
    module: Any = BatchNormNet()
    return Network(module=module, spec="tiny", settings=ImageSettings(width=16, height=16))


def text_windows(count: int) -> list[Example]:
    generator = np.random.default_rng(1)
    lengths = generator.integers(4, 16, size=count)
    return [
        example(number, count, {"input_ids": generator.integers(1, 50, size=length)}, int(length))
        for number, length in enumerate(lengths)
    ]


def picture_windows(count: int) -> list[Example]:
    generator = np.random.default_rng(1)
    return [
        example(
            number,
            count,
            {"pixels": generator.integers(0, 256, size=(16, 16, 3), dtype=np.uint8)},
            256,
        )
        for number in range(count)
    ]


def example(number: int, count: int, arrays: dict[str, np.ndarray], cost: int) -> Example:
    core = Span(10 * number, 10 * number + cost)
    window = Window("record", number, core, core, number == count - 1)
    return Example(ordinal=0, window=window, arrays=arrays, cost=cost)


def objective(network: Network, rule: str, packed: bool | None = None) -> Objective:
    if rule == "attention" and network.pool is None:
        width = next(
            layer.in_features
            for layer in reversed(list(network.module.modules()))
            if isinstance(layer, nn.Linear) and layer.out_features == CLASSES
        )
        network.pool = nn.Linear(width, 1)
    return Objective(
        task=AnyTask(),
        network=network,
        execution=make_execution(network, packed=packed),
        rule=rule,
        label_smoothing=0.1,
        device=torch.device("cpu"),
        bfloat16=False,
    )


def seed(number: int) -> None:
    torch.manual_seed(mix("test", number))


def gradients(network: Network) -> dict[str, torch.Tensor]:
    module = nn.ModuleDict({"model": network.module})
    if network.pool is not None:
        module["pool"] = network.pool
    found = {
        name: parameter.grad.clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    module.zero_grad()
    return found


def one_graph_over(
    goal: Objective, parts: Sequence[Sequence[Example]], target: int
) -> tuple[float, dict[str, torch.Tensor], list[torch.Tensor]]:
    """All micro-batches in one graph: what the two passes must equal."""
    outputs = []
    for number, part in enumerate(parts):
        seed(number)
        outputs.append(goal.outputs(part))
    together = {name: torch.cat([each[name] for each in outputs]) for name in outputs[0]}
    sizes = torch.tensor([item.window.core.size for part in parts for item in part])
    owners = torch.zeros(len(sizes), dtype=torch.int64)
    loss = goal.loss(
        together, LossBatch(examples=(), owners=owners, weights=sizes, targets=[target])
    )
    loss.backward()
    buffers = [buffer.clone() for buffer in goal.network.module.buffers()]
    return float(loss.detach()), gradients(goal.network), buffers


def assert_same(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float
) -> None:
    assert found.keys() == expected.keys()
    # Against the largest of all: some gradients (a key's bias) are zero but for rounding.
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=tolerance, atol=1e-2 * tolerance * largest, msg=name
        )


@pytest.mark.parametrize("rule", ["mean", "max", "attention"])
@pytest.mark.parametrize("packed", [True, False])
def test_two_passes_equal_one_graph_with_dropout_on(packed: bool, rule: str) -> None:
    network = bert(dropout=0.3)
    goal = objective(network, rule, packed)
    network.module.train()
    plan = BatchPlan(budget=40, packed=packed)
    windows = text_windows(11)
    parts = list(split(windows, plan))
    assert len(parts) > 3

    expected_loss, expected, _ = one_graph_over(goal, parts, target=2)
    loss, count = two_passes(goal, iter(windows), lambda: iter(windows), 2, plan, seed, 0)
    found = gradients(network)

    assert count == len(parts)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert any(name.startswith("pool") for name in found) == (rule == "attention")
    assert_same(found, expected, tolerance=1e-4)


class JointTask(AnyTask):
    """One token of the whole record is right: a softmax over the tokens of all its windows.

    The loss is no sum over windows (shared normalisation; Clark and Gardner 2018).
    """

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        assert batch.lengths is not None
        assert len(batch.examples) == len(batch.lengths)
        assert int(batch.lengths.sum()) == len(outputs["start_logits"])
        rows, begin = [], 0
        for example, length in zip(batch.examples, batch.lengths.tolist(), strict=True):
            # The special token that comes first in a window is no answer.
            rows += range(begin + int(example.aside["first"]), begin + length)
            begin += length
        chosen = outputs["start_logits"][rows].float()
        return chosen.logsumexp(0) - chosen[batch.targets[0]]


def spans(dropout: float) -> Network:
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    module = BertForQuestionAnswering(
        BertConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )
    outputs = ("start_logits", "end_logits")
    settings = TextSettings(window=16)
    return Network(
        module=module, spec="tiny", settings=settings, outputs=outputs, per_token=outputs
    )


@pytest.mark.parametrize("packed", [True, False])
def test_two_passes_over_outputs_of_each_token_equal_one_graph(packed: bool) -> None:
    network = spans(dropout=0.3)
    goal = replace(objective(network, "mean", packed), task=JointTask())
    network.module.train()
    plan = BatchPlan(budget=40, packed=packed)
    windows = [replace(each, aside={"first": np.array(1)}) for each in text_windows(11)]
    parts = list(split(windows, plan))
    assert len(parts) > 3
    outputs = []
    for number, part in enumerate(parts):
        seed(number)
        outputs.append(goal.outputs(part))
    together = {name: torch.cat([each[name] for each in outputs]) for name in outputs[0]}
    batch = LossBatch(
        examples=windows,
        owners=torch.zeros(len(windows), dtype=torch.int64),
        weights=torch.ones(len(windows)),
        targets=[33],
        lengths=torch.tensor([each.cost for each in windows]),
    )
    expected_loss = goal.loss(together, batch)
    expected_loss.backward()
    expected = gradients(network)

    loss, count = two_passes(goal, iter(windows), lambda: iter(windows), 33, plan, seed, 0)
    assert count == len(parts)
    assert loss == pytest.approx(float(expected_loss.detach()), rel=1e-6)
    assert_same(gradients(network), expected, tolerance=1e-4)


def test_the_comparison_notices_other_random_numbers() -> None:
    network = bert(dropout=0.3)
    goal = objective(network, "mean")
    network.module.train()
    windows = text_windows(11)
    plan = BatchPlan(budget=40, packed=True)
    _, expected, _ = one_graph_over(goal, list(split(windows, plan)), target=2)
    two_passes(goal, iter(windows), lambda: iter(windows), 2, plan, seed, 1)
    found = gradients(network)
    name = "model.classifier.weight"
    assert not torch.allclose(found[name], expected[name], rtol=1e-3)


def test_batch_statistics_count_every_window_once() -> None:
    windows = picture_windows(7)
    plan = BatchPlan(budget=3 * 256)
    network = net_with_batch_norm()
    goal = objective(network, "mean")
    network.module.train()
    _, expected, statistics = one_graph_over(goal, list(split(windows, plan)), target=1)

    network = net_with_batch_norm()
    goal = objective(network, "mean")
    network.module.train()
    before = [buffer.clone() for buffer in network.module.buffers()]
    two_passes(goal, iter(windows), lambda: iter(windows), 1, plan, seed, 0)
    found = gradients(network)

    after = list(network.module.buffers())
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    for old, new in zip(statistics, after, strict=True):
        torch.testing.assert_close(new, old)
    assert_same(found, expected, tolerance=1e-3)


def test_records_grouped_in_micro_batches_sum_to_the_whole() -> None:
    """However records are grouped, the summed gradient is the same (no dropout)."""
    network = bert(dropout=0.0)
    goal = objective(network, "mean")
    network.module.train()
    windows = text_windows(12)
    records = [Windows(windows[start : start + 2], start % CLASSES) for start in range(0, 12, 2)]
    whole = one_graph(goal, records)
    expected = gradients(network)
    groups = group(records, BatchPlan(budget=40, packed=True))
    assert len(groups) > 1
    loss = sum(one_graph(goal, part) for part in groups)
    found = gradients(network)
    assert loss == pytest.approx(whole, rel=1e-5)
    assert_same(found, expected, tolerance=1e-4)


@pytest.mark.parametrize("packed", [True, False])
def test_micro_batches_stay_under_the_budget(packed: bool) -> None:
    plan = BatchPlan(budget=50, packed=packed, most=4)
    windows = text_windows(60)
    parts = list(split(windows, plan))
    assert [item for part in parts for item in part] == windows
    records = [Windows([item], 0) for item in windows]
    groups = group(records, plan)
    assert sorted(id(record) for part in groups for record in part) == sorted(map(id, records))
    for part in [*parts, *([item.examples[0] for item in records] for records in groups)]:
        widest = max(item.cost for item in part)
        cost = sum(item.cost for item in part) if packed else widest * len(part)
        assert cost <= plan.budget and len(part) <= plan.most


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("budget", [30, 200, 5000])
def test_groups_are_those_of_costs_counted_anew_for_every_record(packed: bool, budget: int) -> None:
    plan = BatchPlan(budget=budget, packed=packed, most=12)
    generator = np.random.default_rng(budget)
    windows = iter(text_windows(2000))
    records = [
        Windows(
            [replace(next(windows), cost=int(generator.integers(1, 60))) for _ in range(count)], 0
        )
        for count in generator.integers(1, 5, size=300)
    ]
    whole = sum(cost([record], plan) for record in records)
    groups: list[list[Windows]] = []
    for record in sorted(records, key=lambda item: (-item.widest, -len(item.examples))):
        grown = [*groups[-1], record] if groups else []
        fits = (
            groups
            and sum(len(each.examples) for each in grown) <= plan.most
            and cost(grown, plan) <= budget
            and not wasteful(
                record.widest, grown[0].widest, cost(groups[-1], plan), plan, whole
            )
        )  # fmt: skip
        if fits:
            groups[-1].append(record)
        else:
            groups.append([record])
    assert group(records, plan) == groups
    assert 1 < len(groups) <= len(records)


def test_micro_batches_are_not_mostly_padding() -> None:
    long, short = text_windows(1)[0], text_windows(1)[0]
    records = [
        Windows([replace(example, cost=size)], 0)
        for example, size, times in ((long, 40, 4), (short, 10, 16))
        for _ in range(times)
    ]
    shapes = [
        [record.widest for record in part]
        for part in group(records, BatchPlan(budget=10_000, packed=False))
    ]
    assert shapes == [[40] * 4, [10] * 16]
    # Where padding is free, one micro-batch does.
    assert len(group(records, BatchPlan(budget=10_000, packed=True))) == 1


def test_a_record_that_changes_between_the_passes_is_noticed() -> None:
    network = bert(dropout=0.0)
    goal = objective(network, "mean")
    windows = text_windows(5)
    with pytest.raises(RuntimeError, match="5 windows, then 4"):
        two_passes(goal, iter(windows), lambda: iter(windows[:4]), 0, BatchPlan(budget=20), seed, 0)
