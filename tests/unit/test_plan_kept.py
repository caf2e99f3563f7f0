"""A loaded model answers at once: plans, probes and runtimes are kept as long as they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import anysize
from anysize.api.model import Model
from anysize.core import memory
from anysize.core.results import Result
from anysize.core.steps import ONE_RUN
from anysize.modalities.texts.settings import TextFacts
from anysize.models import spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.planning import climbs, kept, session, straight, synthetic
from anysize.planning.batching import plan_batches
from anysize.planning.kept import Weights
from anysize.runtimes.torch import TorchRuntime

GIB = 1 << 30
LABELS = ("bad", "good")


def text_model() -> Model:
    torch.manual_seed(0)
    request = BuildRequest(
        task="text-classification",
        labels=LABELS,
        facts=TextFacts(texts=lambda: ["a good film", "a bad film"]),
    )
    network = spec.build("attention", request)
    card = Card(
        task="text-classification", labels=LABELS, model="attention", merge="mean",
        settings=network.settings,
    )  # fmt: skip
    return Model(network, card)


def scores(model: Model, texts: list[str], **options: object) -> list[float]:
    found = list(model.predict(texts, anysize.PredictOptions(**options)))  # type: ignore[arg-type]
    assert all(isinstance(one, Result) for one in found)
    return [one.score for one in found if isinstance(one, Result)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often something was planned and how often a runtime was opened."""
    counts = {"straight": 0, "probed": 0, "opened": 0}

    def count(name: str, function: object) -> object:
        def counting(*arguments: object, **settings: object) -> object:
            counts[name] += 1
            return function(*arguments, **settings)  # type: ignore[operator]

        return counting

    monkeypatch.setattr(session, "straight_plan", count("straight", session.straight_plan))
    monkeypatch.setattr(session, "plan_prediction", count("probed", session.plan_prediction))
    monkeypatch.setattr(TorchRuntime, "__init__", count("opened", TorchRuntime.__init__))
    return counts


def test_a_few_short_texts_are_planned_and_opened_once(counted: dict[str, int]) -> None:
    model = text_model()
    first = scores(model, ["a good film"], memory=64 * GIB)
    for _ in range(3):
        assert scores(model, ["a good film"], memory=64 * GIB) == first
        scores(model, ["a bad film", "a film"], memory=64 * GIB)
    assert counted == {"straight": 1, "probed": 0, "opened": 1}
    scores(model, ["a good film"], memory=65 * GIB)
    assert counted == {"straight": 2, "probed": 0, "opened": 2}


def test_a_tight_budget_is_probed_once(counted: dict[str, int]) -> None:
    model = text_model()
    budget = memory.resident() + 600 * (1 << 20)
    first = scores(model, ["a good film"], memory=budget)
    assert scores(model, ["a good film"], memory=budget) == first
    assert counted["probed"] == 1


def test_a_much_larger_job_is_planned_anew_and_then_kept(counted: dict[str, int]) -> None:
    model = text_model()
    scores(model, ["a good film"])
    many = ["a good film and a bad film " * 20] * 100
    scores(model, many)
    assert counted["probed"] == 1
    scores(model, many)
    scores(model, ["a good film"])
    assert counted["probed"] == 1


def test_changed_weights_are_used(counted: dict[str, int]) -> None:
    model = text_model()
    before = scores(model, ["a good film"])
    with torch.no_grad():
        for parameter in model.network.module.parameters():
            parameter.mul_(0.5)
    after = scores(model, ["a good film"])
    assert after != before
    assert counted["opened"] == 2
    fresh = Model(model.network, model.card)
    assert scores(fresh, ["a good film"]) == after


def test_weights_notice_replaced_and_changed_tensors() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    weights = Weights(layers)
    assert not weights.changed()
    changes = (
        lambda: layers.train(not layers.training),
        lambda: layers[0].weight.detach().zero_(),
        lambda: setattr(layers[0], "weight", torch.nn.Parameter(torch.ones(2, 2))),
        lambda: layers.__setitem__(0, torch.nn.Linear(2, 2)),
        lambda: layers.load_state_dict(layers.state_dict()),
        lambda: layers[1].running_mean.add_(1),
    )
    for change in changes:
        change()
        assert weights.changed()
        assert not weights.changed()


def test_two_predictions_at_once_have_a_runtime_each(counted: dict[str, int]) -> None:
    model = text_model()
    one, two = model.predict(["a good film", "a film"]), model.predict(["a bad film"] * 2)
    found = [next(one), next(two), next(one), next(two)]
    assert [each.id for each in found] == ["0", "0", "1", "1"]
    del one, two
    scores(model, ["a good film"])
    assert counted["opened"] == 2


def test_a_runtime_that_failed_is_not_used_again(
    counted: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = text_model()
    scores(model, ["a good film"])
    real = TorchRuntime.run

    def broken(self: TorchRuntime, examples: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr(TorchRuntime, "run", broken)
    with pytest.raises(RuntimeError, match="broken"):
        scores(model, ["a good film"])
    monkeypatch.setattr(TorchRuntime, "run", real)
    scores(model, ["a good film"])
    assert counted["opened"] == 2


def test_a_probe_is_kept_between_runs_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))
    network = text_model().network
    runtime = TorchRuntime(network)
    first = plan_batches(runtime, network, memory=4 * GIB, packed=runtime.packed)
    climbed: list[Network] = []
    real = synthetic.climb_windows

    def climb_windows(network: Network, *arguments: object, **settings: object) -> object:
        climbed.append(network)
        return real(network, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(climbs.synthetic, "climb_windows", climb_windows)
    again = plan_batches(runtime, network, memory=4 * GIB, packed=runtime.packed)
    assert again.batches == first.batches
    assert not climbed
    # One window takes far more than it did: the machine, or what runs, is not the same.
    (file,) = tmp_path.glob("climb-*.json")
    monkeypatch.setattr(climbs, "MORE", 0.0)
    monkeypatch.setattr(climbs, "NOISE", -1)
    plan_batches(runtime, network, memory=4 * GIB, packed=runtime.packed)
    assert len(climbed) == 1
    file.write_text("{}", encoding="utf-8")
    plan_batches(runtime, network, memory=4 * GIB, packed=runtime.packed)
    assert len(climbed) == 2


def test_a_plan_without_memory_for_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = text_model()
    plan = straight.straight_plan(model.network, 5, memory=64 * GIB)
    assert plan is not None
    plans = kept.KeptPlans(model.network)
    key = kept.plan_key(model.network, anysize.PredictOptions(), ONE_RUN)
    plans.put(key, plan)
    assert plans.get(key) is plan
    assert plans.get(key, cost=10_000) is None
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    assert plans.get(key) is None
