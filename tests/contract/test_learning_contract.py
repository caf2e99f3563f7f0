"""Every task learns as its protocol says: losses that add up, probes, meters that are joined."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.contract.task_cases import UNTRAINED, recipe_of
from torch import nn

from anysize.core import plugins
from anysize.core.batches import BatchPlan
from anysize.core.errors import ConfigurationError
from anysize.planning import synthetic
from anysize.scale.alone import alone
from anysize.tasks.options import taken
from anysize.training import Recipe
from anysize.training.job import Job
from anysize.training.machinery import make_objective
from anysize.training.pooled import Objective, Windows, one_graph, two_passes
from anysize.training.preparation import prepare
from anysize.training.validation import validate

TASKS = sorted(plugins.keys("tasks").keys() - UNTRAINED)
# Assigns objects by what the network gives, with their overlap as the score that is wanted.
MOVING = ("object-detection",)
PLAN = BatchPlan(budget=1 << 20, look_ahead=1 << 22)


@pytest.fixture(params=TASKS, scope="module")
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A run of a task, prepared as every run is."""
    folder = tmp_path_factory.mktemp(str(request.param))
    torch.manual_seed(0)
    found = prepare(Recipe(**recipe_of(str(request.param), folder)), started=0.0, quiet=True)
    # In training, but for dropout and the statistics of a batch: what is computed is a function of
    # each record.
    found.network.module.train()
    for layer in found.network.module.modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd):
            layer.eval()
    return found


@pytest.fixture(scope="module")
def objective(job: Job) -> Objective:
    return make_objective(job, alone())


def records(job: Job, count: int = 4) -> list[Windows]:
    """Records of the training data with all their windows."""
    preprocess = job.task.preprocess(job.network)
    found = []
    for place in range(count):
        record = job.training[place]
        target = job.task.encode_target(record, job.card.labels)
        found.append(Windows(list(preprocess(place, record, 0)), target))
    return found


def gradient(
    objective: Objective, work: Callable[[], float]
) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss, and the gradient of every parameter."""
    parts = objective.parts()
    for module in parts.values():
        module.zero_grad()
    loss = work()
    return loss, {
        f"{part}.{name}": parameter.grad.clone()
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def assert_same(
    one: tuple[float, dict[str, torch.Tensor]], other: tuple[float, dict[str, torch.Tensor]]
) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-4, abs=1e-5)
    assert one[1].keys() == other[1].keys()
    largest = max(float(value.abs().max()) for value in one[1].values())
    assert largest > 0
    for name, value in one[1].items():
        torch.testing.assert_close(
            value, other[1][name], rtol=1e-3, atol=1e-4 * max(largest, 1e-3), msg=name
        )


def test_a_loss_is_the_sum_of_its_records_losses(job: Job, objective: Objective) -> None:
    four = records(job)
    together = gradient(objective, lambda: one_graph(objective, four))
    apart = gradient(objective, lambda: sum(one_graph(objective, [each]) for each in four))
    assert math.isfinite(together[0])
    assert_same(together, apart)
    turned = gradient(objective, lambda: one_graph(objective, four[::-1]))
    assert_same(together, turned)


def test_smoothing_of_labels_changes_the_loss_or_is_refused(job: Job, objective: Objective) -> None:
    if "label_smoothing" in taken(job.card.task):
        assert job.recipe.label_smoothing == 0
        with pytest.raises(ConfigurationError, match="label_smoothing has no effect on"):
            job.recipe.changed(label_smoothing=0.3)
        return
    four = records(job)
    found = []
    for amount in (0.0, 0.3):
        recipe = job.recipe.changed(label_smoothing=amount)
        smoothing = make_objective(dataclasses.replace(job, recipe=recipe), alone())
        _, slopes = gradient(smoothing, lambda one=smoothing: one_graph(one, four))
        found.append(torch.cat([slopes[name].flatten() for name in sorted(slopes)]))
    assert (found[0] - found[1]).norm() > 0.01 * found[0].norm()


def test_a_record_in_two_passes_or_by_its_windows_has_the_same_loss(
    job: Job, objective: Objective
) -> None:
    found = records(job, 12)
    longest = max(found, key=lambda record: len(record.examples))
    whole = gradient(objective, lambda: one_graph(objective, [longest]))
    if job.task.separable:
        windows = [Windows([example], longest.target) for example in longest.examples]
        parts = gradient(objective, lambda: sum(one_graph(objective, [each]) for each in windows))
    else:
        plan = BatchPlan(budget=longest.widest, look_ahead=4 * longest.widest)

        def passes() -> float:
            examples = longest.examples
            return two_passes(
                objective, examples, lambda: examples, longest.target, plan, lambda _: None, 0
            )[0]

        parts = gradient(objective, passes)
    assert_same(whole, parts)


def test_a_step_against_the_gradient_lowers_the_loss_by_what_it_says(
    job: Job, objective: Objective
) -> None:
    if job.task.name in MOVING:
        pytest.skip("its targets follow its outputs, and no gradient goes through them")
    four = records(job)
    loss, found = gradient(objective, lambda: one_graph(objective, four))
    parameters = {
        f"{part}.{name}": parameter
        for part, module in objective.parts().items()
        for name, parameter in module.named_parameters()
    }
    wanted = 0.01 * loss
    step = wanted / sum(float(value.square().sum()) for value in found.values())
    before = {name: parameters[name].detach().clone() for name in found}
    with torch.no_grad():
        for name, value in found.items():
            parameters[name] -= step * value
    after = one_graph(objective, four)
    with torch.no_grad():
        for name, value in before.items():
            parameters[name].copy_(value)
    assert loss - after == pytest.approx(wanted, rel=0.3)


def test_what_is_made_up_for_a_probe_is_like_what_training_has(
    job: Job, objective: Objective
) -> None:
    real = records(job, 1)[0].examples[0]
    labels = len(job.card.labels)
    made = [job.task.made_up(one, labels) for one in synthetic.windows(job.network, 3)]
    for example, _ in made:
        assert example.arrays.keys() == real.arrays.keys()
        for name, array in example.arrays.items():
            assert array.dtype == real.arrays[name].dtype, name
            assert array.ndim == real.arrays[name].ndim, name
    loss, found = gradient(
        objective,
        lambda: one_graph(objective, [Windows([example], target) for example, target in made]),
    )
    assert math.isfinite(loss)
    # The probe's backward pass reaches all that training's does.
    _, trained = gradient(objective, lambda: one_graph(objective, records(job)))
    assert found.keys() == trained.keys()


def test_beginning_twice_is_beginning_once(job: Job) -> None:
    states = []
    for _ in range(2):
        job.task.begin(job.network, job.training, job.card.labels)
        states.append({k: v.clone() for k, v in job.network.module.state_dict().items()})
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
        assert torch.isfinite(value.float()).all(), name


class Among:
    """One of several workers; what the others gather is what they gathered when it was theirs."""

    def __init__(self, rank: int, gathered: list[Any]) -> None:
        self.rank, self.size = rank, len(gathered)
        self.gathered = gathered

    def gather(self, value: Any) -> list[Any]:
        self.gathered[self.rank] = value
        return [each for each in self.gathered if each is not None]


def plain(value: Any) -> bool:
    """Numbers, texts, lists and arrays."""
    if isinstance(value, dict):
        value = itertools.chain(value, value.values())
    elif isinstance(value, np.ndarray):
        return value.dtype != np.dtype(object)
    elif not isinstance(value, list | tuple | set | frozenset):
        return value is None or isinstance(value, bool | int | float | str | bytes | np.generic)
    return all(map(plain, value))


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_meters_are_joined_to_what_one_counts(
    workers: int, job: Job, objective: Objective
) -> None:
    def measured(team: Any) -> Any:
        assert job.validation is not None
        preprocess = job.task.preprocess(job.network)
        source, labels = job.validation, job.card.labels
        return validate(objective, source, preprocess, labels, PLAN, team, 1, 1)

    one = measured(alone())
    gathered: list[Any] = [None] * workers
    for rank in range(workers):
        joined = measured(Among(rank, gathered))
    for _, _, state in gathered:
        assert plain(state)
    # Batches of several workers are others, and so is the rounding of their float32 sums.
    assert scores(joined) == pytest.approx(scores(one), rel=1e-5, abs=1e-9)
    # Every worker comes to the same end.
    assert scores(measured(Among(0, gathered))) == pytest.approx(scores(joined), abs=0)


def scores(found: Any) -> Sequence[float]:
    return [float(found.metric), float(found.loss)]
