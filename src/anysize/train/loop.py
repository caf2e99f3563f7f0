"""The training loop.

Every step takes the next records of the epoch's order, sums their gradients over micro-batches and
workers, divides by the number of records and updates the weights. In between: validation, the best
and the last checkpoint, the log, and a clean end.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.models.execution import make_execution
from anysize.runtimes.torch import fast_bfloat16
from anysize.train import checkpoint
from anysize.train.checkpoint import MOST_NAMED, Score, State
from anysize.train.job import Job
from anysize.train.limits import limit_of
from anysize.train.optimization import (
    AveragedWeights,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    rate_factor,
)
from anysize.train.order import Cursor, Order
from anysize.train.pooled import Objective
from anysize.train.progress import Display, Journal, Moment
from anysize.train.step import Stepper, Totals
from anysize.train.stopping import Stopped, StopRequest
from anysize.train.stream import Labelled, Stream
from anysize.train.team import Team
from anysize.train.trace import Trace
from anysize.train.validation import validate

_LOOK_AHEAD = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: its last state, and why."""

    state: State
    ended: str


class Loop:
    """A run on one worker.

    Args:
        job: what is trained on what.
        team: this worker and the others.
        state: where to go on from; a fresh ``State`` starts at the beginning.
        display: shows progress (silent on all workers but the leader).
        request: asks for a stop.
    """

    def __init__(
        self, job: Job, team: Team, state: State, display: Display, request: StopRequest
    ) -> None:
        recipe = job.recipe
        self._job, self._team, self._state = job, team, state
        self._display, self._request = display, request
        self._recipe = recipe
        self._earlier = state.elapsed
        self._trained = _trained(job, team.device)
        if recipe.compile:
            job.network.module.compile()
        execution = make_execution(job.network, team.device)
        self._objective = Objective(
            task=job.task,
            network=job.network,
            execution=execution,
            rule=recipe.merge,
            label_smoothing=recipe.label_smoothing or 0.0,
            device=team.device,
            bfloat16=recipe.precision == "bfloat16"
            or (recipe.precision == "auto" and fast_bfloat16(team.device)),
        )
        self._plan = BatchPlan(
            budget=recipe.micro_cost,
            packed=execution.packed,
            look_ahead=_LOOK_AHEAD * recipe.micro_cost,
        )
        self._threads = _threads(recipe.loaders, team.size)
        self._order = Order(
            records=len(job.training), batch=recipe.batch or 1, seed=recipe.seed
        )
        self._limit = limit_of(recipe, self._order)
        self._optimizer = make_optimizer(self._trained, recipe)
        self._averages = AveragedWeights(self._trained, recipe.ema) if recipe.ema else None
        self._stream = Stream(
            job.training,
            Labelled(
                job.task.preprocess(job.network, augment=job.augmentation, seed=recipe.seed),
                job.task,
                job.card.labels,
            ),
            self._order,
            worker=team.rank,
            workers=team.size,
            threads=self._threads,
            hold=self._plan.gathered,
            strict=recipe.strict,
        )
        if state.cursor.step:
            self._restore()
        self._stepper = Stepper(
            self._objective,
            self._trained,
            self._optimizer,
            self._stream,
            self._plan,
            team,
            seed=recipe.seed,
            clip=recipe.clip or 0.0,
        )
        self._saved_at = time.monotonic()

    def run(self) -> Outcome:
        """Trains to the end and leaves the best weights in the network.

        Raises:
            Stopped: a signal asked for it; the last checkpoint is written.
            RunError: the run failed.
            DataError: no record of an epoch could be read.
        """
        journal = self._open_journal()
        trace = Trace.open(self._recipe.trace, self._team, self._state.cursor.step)
        meter = _Meter(self._state)
        ended = self._limit.name
        used = 0
        try:
            while not self._reached():
                block = self._order.block(self._state.cursor)
                totals = self._stepper.gradients(
                    block, stop=bool(self._request.signal), elapsed=self._clock()
                )
                progress = self._limit.progress(block.step + 1, totals.elapsed, self._reserve())
                # Half a step back: with a limit by steps the first rate is not 0, nor the last.
                half = 0.5 / self._limit.steps if self._limit.steps else 0.0
                rate = self._rate(progress - half)
                self._stepper.update(totals, block, rate)
                if self._averages is not None:
                    self._averages.update(block.step)
                self._commit(self._order.after(block), totals)
                trace.write(block, self._order)
                used = totals.records + (used if block.start else 0)
                if not used and block.stop == self._order.records and block.start == 0:
                    raise self._nothing_readable(totals)
                meter.add(totals)
                if self._due(self._recipe.log_every) or self._reached():
                    self._log(journal, meter.moment(self, rate, progress))
                if totals.stop:
                    self._save()
                    raise Stopped(
                        self._request.signal or 2, self._state.cursor.step, self._recipe.out
                    )
                if self._validation_due() and self._validate(journal):
                    ended = "patience"
                    break
                self._save_if_due()
            if not self._validated() and self._state.cursor.step:
                self._validate(journal)
            self._save()
        finally:
            self._stream.close()
            trace.close()
            if journal is not None:
                journal.close()
        self._take_best()
        return Outcome(state=self._state, ended=ended)

    # What the state says.

    def _clock(self) -> float:
        return self._earlier + time.monotonic() - self._job.started

    def _reserve(self) -> float:
        """Seconds that the last validation and the saving will take."""
        if self._limit.seconds is None:
            return 0.0
        measured = self._state.validation_seconds
        if not measured and self._job.validation is not None and self._state.used:
            # A forward pass is a third of a step, and larger batches make it no slower.
            a_record = self._state.elapsed / self._state.used
            measured = a_record * len(self._job.validation) / 2
        return 1.25 * measured + min(5.0, 0.05 * self._limit.seconds)

    def _reached(self) -> bool:
        progress = self._limit.progress(
            self._state.cursor.step, self._state.elapsed, self._reserve()
        )
        return progress >= 1.0

    def _due(self, every: int) -> bool:
        return self._state.cursor.step % every == 0

    def _validated(self) -> bool:
        return self._job.validation is None or self._validated_at == self._state.cursor.step
