"""What a run is made of: model, optimizer, stream of records and budget, put together."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.models.execution import make_execution
from anysize.runtimes.torch import fast_bfloat16
from anysize.train.job import Job
from anysize.train.optimization import AveragedWeights, make_optimizer
from anysize.train.order import Order
from anysize.train.pooled import Objective
from anysize.train.step import Stepper
from anysize.train.stream import Labelled, Stream
from anysize.train.team import Team

_LOOK_AHEAD = 16
_MOST_READERS = 8


class Machinery:
    """The parts of a run on one worker.

    Attributes:
        trained: everything with weights that are trained.
        objective: what is minimised.
        plan: budget of a micro-batch.
        order: which records when.
        optimizer, averages, stream, stepper: as named; ``averages`` only with ``ema``.
        threads: reader threads.
    """

    def __init__(self, job: Job, team: Team) -> None:
        recipe, network = job.recipe, job.network
        module: nn.Module = network.module
        module.to(team.device)
        if network.image is not None:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.compile:
            module.compile()
        parts: dict[str, nn.Module] = {"model": module}
        if network.pool is not None:
            parts["pool"] = network.pool.to(team.device)
        self.trained = nn.ModuleDict(parts)
        execution = make_execution(network, team.device)
        automatic = recipe.precision == "auto" and fast_bfloat16(team.device)
        self.objective = Objective(
            task=job.task,
            network=network,
            execution=execution,
            rule=recipe.merge,
            label_smoothing=recipe.label_smoothing or 0.0,
            device=team.device,
            bfloat16=automatic or recipe.precision == "bfloat16",
        )
        self.plan = BatchPlan(
            budget=recipe.micro_cost,
            packed=execution.packed,
            look_ahead=_LOOK_AHEAD * recipe.micro_cost,
        )
        self.order = Order(records=len(job.training), batch=recipe.batch or 1, seed=recipe.seed)
        self.threads = recipe.loaders if recipe.loaders is not None else _readers(team.size)
        self.optimizer = make_optimizer(self.trained, recipe)
        self.averages = AveragedWeights(self.trained, recipe.ema) if recipe.ema else None
        self.stream = Stream(
            job.training,
            Labelled(
                job.task.preprocess(network, augment=job.augmentation, seed=recipe.seed),
                job.task,
                job.card.labels,
            ),
            self.order,
            worker=team.rank,
            workers=team.size,
            threads=self.threads,
            hold=self.plan.gathered,
            strict=recipe.strict,
        )
        self.stepper = Stepper(
            self.objective,
            self.trained,
            self.optimizer,
            self.stream,
            self.plan,
            team,
            seed=recipe.seed,
            clip=recipe.clip or 0.0,
        )

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name; shared ones once."""
        return {**dict(self.trained.named_parameters()), **dict(self.trained.named_buffers())}

    @torch.no_grad()
    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over weights by name.

        Raises:
            DataError: they are of another model.
        """
        own = self.weights()
        for name, value in tensors.items():
            if name not in own or own[name].shape != value.shape:
                raise DataError(
                    "checkpoint", f"its {name} does not fit the model; train without --resume"
                )
            own[name].copy_(value)


def _readers(workers: int) -> int:
    """Reader threads of a worker: its share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(1, min(_MOST_READERS, cores // workers))
