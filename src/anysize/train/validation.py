"""Validation with the weights as they are, shared out over the workers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.examples import Example, Outputs
from anysize.core.pipeline import Position
from anysize.core.predict import predict
from anysize.core.protocols import Preprocess
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.train.checkpoint import Score
from anysize.train.pooled import Objective
from anysize.train.team import Team

_LEAST = 1e-6
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
            arrays = {"logits": outputs.logits.float().cpu().numpy()}
            pool = self.objective.network.pool
            if pool is not None:
                scores = pool(outputs.features.float()).squeeze(-1)
                arrays["scores"] = scores.float().cpu().numpy()
        return Outputs(arrays)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, slots=True)
class _Targets:
    """Notes each record's target as it passes; a bad one fails the record."""

    preprocess: Preprocess
    objective: Objective
    labels: Sequence[str]
    seen: dict[int, str] = field(default_factory=dict)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        self.seen[ordinal] = self.labels[self.objective.task.encode_target(record, self.labels)]
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
    threads: int,
) -> float:
    """About how many seconds `validate` will take, from a sample.

    The sample is run twice, since the first time pays for what is only done once.
    """
    sample = _Sample(source, min(len(source), _SAMPLE * team.size))
    seconds = 0.0
    for _ in range(2):
        started = time.monotonic()
        try:
            validate(objective, sample, preprocess, labels, plan, team, 0, threads)
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
    threads: int,
) -> Score:
    """Accuracy and cross entropy over ``source``.

    Records that cannot be read are left out.

    Raises:
        DataError: none of them can be read.
    """
    targets = _Targets(preprocess, objective, labels)
    module = objective.network.module
    was_training = module.training
    module.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    try:
        indices = range(team.rank, len(source), team.size)
        results = predict(
            source,
            (Position(ordinal, index) for ordinal, index in enumerate(indices)),
            targets,
            _LiveRuntime(objective),
            objective.task.new_merger(labels, objective.rule),
            plan,
            threads=threads,
        )
        for ordinal, result in enumerate(results):
            target = targets.seen.pop(ordinal, None)
            if isinstance(result, Result) and target is not None:
                likely = max(result.details["probabilities"][target], _LEAST)
                sums += torch.tensor([result.prediction == target, -math.log(likely), 1.0])
    finally:
        module.train(was_training)
    sums = sums.to(team.device)
    team.add_up(sums)
    right, loss, count = sums.tolist()
    if not count:
        raise DataError(source.name, "no validation record can be read")
    return Score(metric=right / count, loss=loss / count, step=step)
