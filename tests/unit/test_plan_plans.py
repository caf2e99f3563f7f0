"""Plans for prediction and training of small networks, in this very process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

import anysize
from anysize import tasks
from anysize.core import memory, plugins
from anysize.core.errors import BudgetError, ConfigurationError
from anysize.core.examples import Example, Outputs
from anysize.core.protocols import Runtime
from anysize.core.steps import ONE_RUN, Ability, OneRun
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.texts.settings import TextSettings
from anysize.models import lora
from anysize.models.execution import make_execution
from anysize.models.lora import LoraSettings
from anysize.models.network import Network
from anysize.planning import budget, prediction, selection, synthetic
from anysize.planning.batching import plan_batches
from anysize.planning.candidates import candidates_for
from anysize.planning.prediction import plan_prediction
from anysize.planning.sampling import Sample
from anysize.planning.selection import Candidate, fastest, keep, known
from anysize.runtimes.torch import TorchRuntime
from anysize.training.layers import freeze
from anysize.training.planning import TrainingPlan, plan_training
from anysize.training.pooled import Objective, Windows, one_graph
from anysize.training.probing import check_checkpointing, set_checkpointing

MIB = 1 << 20
GIB = 1 << 30


def text_network(window: int = 128) -> Network:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=512,
        num_labels=2,
    )
    module = BertForSequenceClassification(config).eval()
    return Network(module=module, spec="small", settings=TextSettings(window=window))


def picture_network() -> Network:
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=2
    )
    module = ResNetForImageClassification(config).eval()
    return Network(module=module, spec="pictures", settings=ImageSettings(width=128, height=96))


def objective(network: Network) -> Objective:
    task = tasks.load(
        "text-classification" if network.settings.modality == "text" else "image-classification"
    )
    return Objective(
        task=task,
        network=network,
        execution=make_execution(network),
        rule="mean",
        label_smoothing=0.0,
        device=torch.device("cpu"),
        bfloat16=False,
    )


@pytest.mark.parametrize("make", [text_network, picture_network])
def test_prediction_is_planned_inside_the_budget(make: object) -> None:
    network: Network = make()  # type: ignore[operator]
    runtime = TorchRuntime(network)
    plan = plan_batches(runtime, network, memory=4 * GIB, packed=runtime.packed)
    assert plan.window <= plan.batches.budget
    assert plan.batches.budget % plan.window == 0
    assert memory.resident() < plan.predicted_peak <= 4 * GIB
    assert any(str(plan.window) in reason for reason in plan.why)


def test_a_small_job_is_not_probed_beyond_its_size() -> None:
    network = text_network()
    runtime = TorchRuntime(network)
    plan = plan_batches(runtime, network, memory=4 * GIB, packed=True, total_cost=200)
    assert plan.batches.budget <= 256


def test_prediction_that_does_not_fit_names_a_budget_that_does() -> None:
    network = picture_network()
    runtime = TorchRuntime(network)
    with pytest.raises(BudgetError, match="smallest budget that would do") as caught:
        plan_batches(runtime, network, memory=memory.resident() - MIB, packed=False)
    smallest = caught.value.smallest
    assert smallest % budget.STEP == 0
    assert f"--memory {smallest // MIB}MiB" in str(caught.value)
    plan = plan_batches(runtime, network, memory=smallest, packed=False)
    assert plan.predicted_peak <= smallest


@pytest.mark.parametrize("make", [text_network, picture_network])
def test_planning_training_leaves_everything_as_it_was(make: object) -> None:
    network: Network = make()  # type: ignore[operator]
    module = network.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    gradient = torch.ones_like(next(iter(module.parameters())))
    next(iter(module.parameters())).grad = gradient
    random = torch.get_rng_state()
    plan = plan_training(objective(network), memory=4 * GIB)
    assert plan.micro_cost % plan.window == 0
    assert not plan.checkpointing
    assert memory.resident() < plan.predicted_peak <= 4 * GIB
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    first, *rest = module.parameters()
    assert first.grad is gradient
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(parameter.grad is None for parameter in rest)
    assert torch.equal(torch.get_rng_state(), random)
    assert not module.training


def test_checkpointing_is_chosen_by_need_or_by_wish() -> None:
    free = plan_training(objective(text_network()), memory=4 * GIB)
    forced = plan_training(objective(text_network()), memory=4 * GIB, checkpointing="on")
    assert (free.checkpointing, forced.checkpointing) == (False, True)
    assert any(
        reason.startswith("gradient checkpointing") and reason.endswith("as asked for")
        for reason in forced.why
    )
    with pytest.raises(BudgetError) as caught:
        plan_training(objective(text_network()), memory=memory.resident(), checkpointing="off")
    assert "gradient checkpointing" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="must be auto or off for mlp"):
        check_checkpointing("mlp", torch.nn.Linear(2, 2), "on")


@pytest.mark.parametrize("additions", [False, True])
def test_checkpointing_changes_no_gradient(additions: bool) -> None:
    """Side by side, with dropout, and with low-rank additions over frozen embeddings."""
    found = []
    for checkpointing in (False, True):
        network = text_network()
        module = network.module
        if additions:
            heads = lora.heads_of(network)
            targets = lora.targets_of(network, (), heads)
            wanted = LoraSettings(rank=2, alpha=2.0, dropout=0.1, targets=targets, heads=heads)
            lora.add(module, wanted, seed=0)
            freeze(module, ("*", "!*.lora_*", "!classifier"))
        task = objective(network)
        module.train()
        set_checkpointing(module, checkpointing)
        examples = synthetic.windows(network, 3)
        torch.manual_seed(1)
        one_graph(task, [Windows([example], 1) for example in examples])
        found.append({name: item.grad for name, item in module.named_parameters()})
    for name, gradient in found[0].items():
        assert (gradient is None) == (found[1][name] is None), name
        assert gradient is None or torch.equal(gradient, found[1][name]), name
    assert any(gradient is not None and gradient.any() for gradient in found[0].values())


def test_training_that_does_not_fit_names_a_budget_that_does() -> None:
    task = objective(text_network())
    with pytest.raises(BudgetError, match="gradient checkpointing") as caught:
        plan_training(task, memory=memory.resident())
    plan = plan_training(task, memory=caught.value.smallest)
    assert plan.predicted_peak <= caught.value.smallest


def test_workers_share_the_budget_and_what_runs_beside_them_is_counted() -> None:
    assert budget.share(GIB, 1) == GIB
    assert budget.share(1100 * MIB, 4, 100 * MIB) == 250 * MIB
    needed = 300 * MIB
    total = budget.whole(needed, 3, 100 * MIB)
    assert budget.share(total, 3, 100 * MIB) >= needed
    assert total < 1.1 * (3 * needed + 100 * MIB) + budget.STEP


def test_only_an_engine_with_a_launcher_counts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from anysize.scale.alone import alone
    from anysize.scale.process_group import ProcessGroup

    monkeypatch.setattr(memory, "resident", lambda pid=None: pid)
    assert alone().beside == 0
    assert ProcessGroup(0, 2, torch.device("cpu")).beside == os.getppid()


def test_the_most_frugal_plan_is_agreed_on() -> None:
    plan = plan_training(objective(text_network()), memory=4 * GIB)
    assert isinstance(plan, TrainingPlan)
    smaller = replace(plan, micro_cost=plan.micro_cost // 2, loaders=0)
    frugal = replace(plan, checkpointing=True, predicted_peak=plan.predicted_peak + 1)
    assert TrainingPlan.agreed([plan, smaller, plan]).micro_cost == smaller.micro_cost
    agreed = TrainingPlan.agreed([plan, frugal, smaller])
    assert agreed.checkpointing
    assert agreed.loaders == 0
    assert agreed.predicted_peak == frugal.predicted_peak


def test_what_can_never_fit_is_refused_by_the_size_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    assert budget.weights_size(tmp_path) == 1000
    budget.refuse_early("training", GIB, 87 * MIB, training=True)
    with pytest.raises(BudgetError) as caught:
        budget.refuse_early("training", GIB, 300 * MIB, training=True)
    budget.refuse_early("training", caught.value.smallest, 300 * MIB, training=True)


def test_weights_over_the_budget_are_refused_unread(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(4 * GIB)  # a hole: reading it as weights would be another error
    data = tmp_path / "data.csv"
    data.write_text("text,label\ngood,1\nbad,0\n", encoding="utf-8")
    with pytest.raises(BudgetError, match="not enough for loading"):
        anysize.load(folder, "text-classification", memory="1GiB")
    # Training keeps gradients and a state of the optimizer beside the weights.
    with pytest.raises(BudgetError, match="not enough for training") as caught:
        anysize.train(
            "text-classification", data, model=str(folder), out=tmp_path / "run", memory="8GiB"
        )
    assert caught.value.smallest > 12 * GIB
    assert not (tmp_path / "run").exists()


def test_synthetic_windows_have_the_sizes_of_real_ones() -> None:
    network = text_network(window=96)
    (window,) = synthetic.windows(network, 1)
    assert window.cost == len(window.arrays["input_ids"]) == 96
    assert synthetic.parts(network) == (1.0,)
    assert synthetic.parts(text_network(window=512)) == (0.125, 0.25, 0.5, 1.0)
    pictures = synthetic.windows(picture_network(), 2)
    assert pictures[1].arrays["pixels"].shape == (96, 128, 3)
    assert pictures[1].cost == 96 * 128


class Clock:
    """A runtime that takes a made-up time for each unit of cost."""

    def __init__(self, name: str, seconds: float, now: list[float]) -> None:
        self.name, self.precision = name, "float32"
        self._seconds, self._now = seconds, now
        self.closed = False

    def run(self, examples: Sequence[Example]) -> Outputs:
        self._now[0] += self._seconds * sum(example.cost for example in examples)
        return Outputs({"logits": np.zeros((len(examples), 2), np.float32)})

    def close(self) -> None:
        self.closed = True


def test_the_fastest_runtime_is_chosen_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))
    now = [0.0]
    monkeypatch.setattr(selection.time, "perf_counter", lambda: now[0])
    made: list[Clock] = []

    def opener(name: str, seconds: float) -> Candidate:
        def opened(precision: str, streams: int) -> Runtime:
            made.append(Clock(name, seconds, now))
            return made[-1]

        return Candidate(name, "float32", opened)

    candidates = [opener("torch", 2e-3), opener("quick", 1e-3), opener("large", 1e-4)]
    network = text_network()
    examples = synthetic.windows_of(network, [10, 20, 30, 128])

    def fits(candidate: Candidate) -> bool:
        return candidate.name != "large"

    assert known(candidates, network) is None
    found = fastest(candidates, examples, fits=fits)
    assert (found.name, found.precision) == ("quick", "float32")
    assert found.rates == {
        "torch float32": pytest.approx(500),
        "quick float32": pytest.approx(1000),
    }
    assert all(runtime.closed for runtime in made)
    keep(candidates, network, found)
    assert known(candidates, network) == ("quick", "float32")
    # Another architecture is another question.
    assert known(candidates, text_network(window=64)) is None
    (file,) = tmp_path.glob("runtime-*.json")
    file.write_text(json.dumps({"format": 99}))
    assert known(candidates, network) is None


def test_plan_prediction_runs_what_it_planned() -> None:
    network = text_network()
    plan = plan_prediction(network, memory=4 * GIB, runtime="torch", precision="float32", loaders=0)
    assert (plan.runtime, plan.precision, plan.loaders) == ("torch", "float32", 0)
    assert json.loads(json.dumps(plan.to_json()))["memory"] == 4 * GIB
    examples = synthetic.windows_of(network, [5, 9, 128, 64])
    runtime = plan.open_runtime()
    expected = TorchRuntime(network).run(examples).arrays["logits"]
    found = [each.output["logits"] for each in plan.guarded(ONE_RUN).answers(runtime, examples)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    runtime.close()
    # The probed runtime is handed out once; after that a new one is opened.
    assert plan.open_runtime().name == "torch"


class Filling:
    """A runtime that needs 64 KiB for every token."""

    name, precision = "filling", "float32"
    each = 1 << 16

    def __init__(self, streams: int) -> None:
        self.streams = streams

    def run(self, examples: Sequence[Example]) -> Outputs:
        np.ones(self.each * sum(example.cost for example in examples), np.uint8)
        return Outputs({})

    def close(self) -> None:
        pass


def test_every_stream_has_a_batch_in_the_budget() -> None:
    batching = plan_batches(Filling(3), text_network(), memory=4 * GIB, packed=False)
    assert batching.batches.budget == 1024
    assert batching.batches.look_ahead == 3 * 16 * 1024
    assert "in each of 3 streams" in batching.why[0]
    assert batching.work >= 0.9 * 3 * 1024 * Filling.each
    assert batching.predicted_peak > batching.work


class Transcribed(OneRun):
    """Stands for windows of speech."""

    needs: ClassVar[Ability] = "transcribe"


def test_streams_that_decode_get_their_share_of_the_windows() -> None:
    found = plan_batches(
        Filling(2), text_network(), step=Transcribed(), memory=4 * GIB, packed=False,
        total_cost=8 * 128,
    )  # fmt: skip
    assert found.batches.budget == 4 * 128
    assert found.work >= 0.9 * 2 * 4 * 128 * Filling.each


@pytest.mark.parametrize(("windows", "step", "many"), [
    (3, Transcribed(), False), (4, Transcribed(), True), (31, ONE_RUN, False), (32, ONE_RUN, True),
])  # fmt: skip
def test_long_windows_are_worth_streams_sooner(windows: int, step: OneRun, many: bool) -> None:
    seen = Sample(examples=(), record_cost=128.0, total_cost=128 * windows, reading=0)
    assert prediction.worth_streams(text_network(), seen, step) == many


def test_plan_prediction_refuses_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BudgetError):
        plan_prediction(
            text_network(),
            memory=memory.resident() // 2,
            runtime="torch",
        )


def test_a_precision_whose_copy_of_the_weights_does_not_fit_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = text_network()
    opened: list[str] = []

    def opener(precision: str, streams: int) -> Runtime:
        opened.append(precision)
        return TorchRuntime(network, "float32")

    large = Candidate("torch", "bfloat16", opener, opening=1 << 50)
    small = Candidate("torch", "float32", opener)
    monkeypatch.setattr(prediction, "candidates_for", lambda *_, **__: [large, small])
    plan = plan_prediction(network, memory=4 * GIB)
    assert opened == ["float32"]
    assert any("torch bfloat16 is left out: opening it takes" in each for each in plan.why)
    plan.close()


def test_runtimes_that_open_with_little_come_first_in_the_order_of_their_precisions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from types import SimpleNamespace

    modules = {
        "torch": SimpleNamespace(
            generation_precisions=lambda _: ("bfloat16", "float32"),
            generation_opening_memory=lambda _, precision: 90 if precision == "bfloat16" else 10,
        ),
        "other": SimpleNamespace(
            generation_precisions=lambda _: ("float32",), opening_memory=lambda *_: 50
        ),
    }
    for module in modules.values():
        module.open_generator = None
    monkeypatch.setattr(plugins, "keys", lambda _: [*modules])
    monkeypatch.setattr(plugins, "load", lambda _, key: modules[key])
    found = candidates_for(text_network(), "auto", "auto", None, needs="generate")
    assert [(item.name, item.precision, item.opening) for item in found] == [
        ("torch", "bfloat16", 90), ("torch", "float32", 10), ("other", "float32", 50),
    ]  # fmt: skip
