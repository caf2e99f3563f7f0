"""Validation with the weights as they are, shared out over the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError, RunError
from anysize.core.examples import Example, Outputs
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.protocols import Calibrating, Opened, Preprocess
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.core.steps import NO_NUMBER, Ability, Quickened
from anysize.models.execution import collect
from anysize.scale.protocols import Team
from anysize.tasks.protocols import MergeOptions, step_of, target_of
from anysize.training.checkpoint import Score
from anysize.training.pooled import Objective

_SAMPLE = 64


@dataclass(slots=True)
class _LiveRuntime:
    """Runs the network that is being trained."""

    objective: Objective
    name: str = "training"
    precision: str = "as trained"

    def run(self, examples: Sequence[Example]) -> Outputs:
        with torch.inference_mode():
            outputs = self.objective.outputs(examples)
            return collect(outputs, examples, self.objective.network)

    def close(self) -> None:
        """Nothing to release."""


def _live_generator(objective: Objective) -> Opened:
    from anysize.runtimes.torch_generation import TorchGenerator

    precision = "bfloat16" if objective.bfloat16 else "float32"
    return TorchGenerator(objective.network, precision, objective.device)


_LIVE: Mapping[Ability, Callable[[Objective], Opened]] = {
    "run": _LiveRuntime,
    "generate": _live_generator,
}


@dataclass(frozen=True, slots=True)
class _Targets:
    """Notes each record's target as it passes; a bad one fails the record."""

    preprocess: Preprocess
    objective: Objective
    labels: Sequence[str]
    seen: dict[int, Any] = field(default_factory=dict)

    @property
    def carries(self) -> bool:
        """As the task's own; what is sent to this goes on to that."""
        return bool(getattr(self.preprocess, "carries", False))

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        self.objective.task.encode_target(record, self.labels)
        self.seen[ordinal] = target_of(self.objective.task, record)
        yield from self.preprocess(ordinal, record, draw)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first records of a source."""

    source: Source
    size: int

    @property
    def name(self) -> str:
        return self.source.name

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Record:
        return self.source[index]

    def fingerprint(self) -> str:
        return self.source.fingerprint()


def rehearse(
    objective: Objective,
    source: Source,
    preprocess: Preprocess,
    labels: Sequence[str],
    plan: BatchPlan,
    team: Team,
    loaders: int,
) -> float:
    """About how many seconds `validate` will take, from a sample.

    The sample is run twice, since the first time pays for what is only done once.
    """
    sample = _Sample(source, min(len(source), _SAMPLE * team.size))
    seconds = 0.0
    for _ in range(2):
        started = time.monotonic()
        try:
            validate(objective, sample, preprocess, labels, plan, team, 0, loaders)
        except DataError:
            return 0.0
        seconds = time.monotonic() - started
    return seconds * len(source) / len(sample)


def validate(
    objective: Objective,
    source: Source,
    preprocess: Preprocess,
    labels: Sequence[str],
    plan: BatchPlan,
    team: Team,
    step: int,
    loaders: int,
) -> Score:
    """The task's main metric and its loss over ``source``.

    Records that cannot be read are left out.

    Raises:
        DataError: none of them can be used.
    """
    targets = _Targets(preprocess, objective, labels)
    module = objective.network.module
    was_training = module.training
    module.eval()
    meter = objective.task.new_meter(labels)
    count, problem = 0, ""
    live = step_of(objective.task, objective.network)
    if isinstance(live, Quickened):
        live = live.quick()
    try:
        indices = range(team.rank, len(source), team.size)
        results = predict(
            source,
            (Position(ordinal, index) for ordinal, index in enumerate(indices)),
            targets,
            _LIVE[live.needs](objective),
            objective.task.new_merger(labels, MergeOptions(rule=objective.rule)),
            plan,
            step=live,
            loaders=loaders,
        )
        for ordinal, result in enumerate(results):
            target = targets.seen.pop(ordinal, None)
            if isinstance(result, Result):
                meter.add(result, target)
                count += 1
            else:
                problem = problem or result.error
    finally:
        module.train(was_training)
    found = team.gather((count, problem, meter.state()))
    if not any(each for each, _, _ in found):
        first = next((each for _, each, _ in found if each), "there are none")
        if step and NO_NUMBER in first:
            raise RunError(
                f"after step {step} the model gives no finite numbers any more, because training "
                "has diverged: lower --learning-rate, or bound the steps with --clip 1"
            )
        raise DataError(source.name, f"no record can be used for validation; the first: {first}")
    meter.join([state for _, _, state in found])
    metric, loss = meter.score()
    return Score(
        metric=metric,
        loss=loss,
        step=step,
        lower=objective.task.lower_is_better,
        calibration=meter.calibration() if isinstance(meter, Calibrating) else {},
    )
