"""One optimizer step: this worker's records to gradients, the workers' sum to new weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import torch
from torch import nn
from torch.optim import Optimizer

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError, RunError
from anysize.core.examples import Example, Failure
from anysize.models.row_embedding import row_embeddings
from anysize.scale.protocols import Team
from anysize.tasks.protocols import Mixture
from anysize.training.mixing import Mixing
from anysize.training.optimization import set_rate
from anysize.training.order import Block, mix
from anysize.training.pooled import (
    Objective,
    Windows,
    cost,
    group,
    one_graph,
    split,
    two_passes,
)
from anysize.training.stream import Arrival, Stream, UnreadableError
from anysize.training.team import FlatGradients, average_buffers


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all workers did in a step.

    Attributes:
        loss: summed over the records.
        records: how many were used.
        stop: whether a worker was asked to stop.
        elapsed: the leader's clock, in seconds.
        failures: the problem of each record that could not be read, by record.
    """

    loss: float
    records: int
    stop: bool
    elapsed: float
    failures: dict[str, str]


@dataclass(slots=True)
class _Tally:
    """What this worker has done of a step."""

    loss: float = 0.0
    records: int = 0
    parts: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    suspects: list[str] = field(default_factory=list)

    def add(self, loss: float, parts: int, names: list[str]) -> None:
        self.loss += loss
        self.parts += parts
        self.records += len(names)
        if not math.isfinite(loss):
            self.suspects += names


class Stepper:
    """Makes steps.

    Random numbers are seeded for every micro-batch from (seed, step, worker, number), so a resumed
    run needs no generator's state to go on exactly.

    Args:
        objective: what is minimised.
        trained: the module with all trained parameters.
        optimizer: of them.
        stream: this worker's records.
        plan: the budget of a micro-batch, and how many are gathered before they are sorted.
        team: the workers.
        seed: of the run.
        clip: largest norm of the gradient; 0 does not clip.
        mixing: mixes the pictures of a micro-batch; None leaves them.
    """

    def __init__(
        self,
        objective: Objective,
        trained: nn.Module,
        optimizer: Optimizer,
        stream: Stream,
        plan: BatchPlan,
        team: Team,
        *,
        seed: int,
        clip: float,
        mixing: Mixing | None = None,
    ) -> None:
        self._mixing = mixing
        self._objective = objective
        self._trained = trained
        self._optimizer = optimizer
        self._stream = stream
        self._plan = plan
        self._team = team
        self._seed = seed
        self._clip = clip
        parameters = [item for item in trained.parameters() if item.requires_grad]
        tables = row_embeddings(trained) if team.size == 1 else []
        self._flat = FlatGradients(parameters, numbers=5, tables=tables)

    def gradients(self, block: Block, *, stop: bool, elapsed: float) -> Totals:
        """Accumulates the step's gradients and adds them up over the workers.

        Args:
            block: the step's records.
            stop: whether this worker was asked to stop; shared with the others on the way.
            elapsed: this worker's clock; the leader's is shared.

        Raises:
            RunError: the loss is not a finite number.
        """
        self._trained.train()
        self._flat.clear()
        tally = self._accumulate(block)
        clock = elapsed if self._team.leads else 0.0
        self._flat.numbers.copy_(
            torch.tensor([tally.loss, tally.records, stop, clock, len(tally.failures)])
        )
        self._flat.add_up(self._team)
        loss, records, stops, clock, failed = self._flat.numbers.tolist()
        if not math.isfinite(loss):
            self._refuse(block, tally.suspects)
        failures: dict[str, str] = {}
        if failed:
            for each in self._team.gather(tally.failures):
                failures |= each
        return Totals(
            loss=loss, records=int(records), stop=stops > 0, elapsed=clock, failures=failures
        )

    def update(self, totals: Totals, block: Block, rate: float) -> None:
        """Changes the weights. A step without a readable record changes nothing."""
        if not totals.records:
            return
        norm = self._flat.finish(totals.records, self._clip)
        if not math.isfinite(norm):
            raise RunError(
                f"the gradient of step {block.step + 1} is not a finite number although its loss "
                "is: lower --learning-rate or use --precision float32"
            )
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        average_buffers(self._team, self._trained)

    def limit(self, cost: int) -> None:
        """Sets the cost of a micro-batch; the memory guard lowers it when memory runs short."""
        if cost != self._plan.budget:
            times = self._plan.look_ahead // self._plan.budget
            self._plan = replace(self._plan, budget=cost, look_ahead=times * cost)

    def _accumulate(self, block: Block) -> _Tally:
        tally = _Tally()
        held: list[Windows] = []
        gathered = 0
        for arrival in self._stream.take(block):
            if isinstance(arrival, Failure):
                tally.failures[arrival.record] = arrival.problem
                continue
            record = Windows(arrival.held, arrival.target)
            alone = cost([record], self._plan)
            if not arrival.complete or alone > self._plan.budget:
                if self._objective.task.separable:
                    self._by_windows(arrival, block, tally)
                else:
                    self._long(arrival, block, tally)
                continue
            held.append(record)
            gathered += alone
            if gathered >= self._plan.gathered:
                self._short(held, block, tally)
                held, gathered = [], 0
        self._short(held, block, tally)
        return tally

    def _short(self, records: list[Windows], block: Block, tally: _Tally) -> None:
        """Records that fit into micro-batches whole."""
        for part in group(records, self._plan):
            self._sow(block.step, tally.parts)
            loss = one_graph(self._objective, *self._mixed(part, block, tally.parts))
            tally.add(loss, 1, [record.examples[0].window.record for record in part])

    def _mixed(
        self, records: Sequence[Windows], block: Block, number: int
    ) -> tuple[Sequence[Windows], Mixture | None]:
        if self._mixing is None:
            return records, None
        return self._mixing(records, block.epoch, block.step, number)

    def _long(self, arrival: Arrival, block: Block, tally: _Tally) -> None:
        """A record whose windows do not fit together: two passes."""
        target, name = arrival.target, arrival.record

        def again() -> Iterator[Example]:
            if arrival.complete:
                return iter(arrival.held)
            return self._stream.again(arrival.position, block.epoch)

        try:
            loss, parts = two_passes(
                self._objective,
                chain(arrival.held, arrival.rest),
                again,
                target,
                self._plan,
                partial(self._sow, block.step),
                tally.parts,
            )
        except UnreadableError as failed:
            tally.failures[failed.failure.record] = failed.failure.problem
        except DataError as error:
            # The first pass read it: it has changed, and part of its gradient is already in.
            raise RunError(f"{name} changed while it was being read: {error}") from error
        else:
            tally.add(loss, parts, [name])

    def _by_windows(self, arrival: Arrival, block: Block, tally: _Tally) -> None:
        """A record whose loss is a sum over its windows: one micro-batch after the other.

        Where it cannot be read to its end, what was read of it has been learned from.
        """
        try:
            for examples in split(chain(arrival.held, arrival.rest), self._plan):
                self._sow(block.step, tally.parts)
                loss = one_graph(self._objective, [Windows(examples, arrival.target)])
                tally.add(loss, 1, [])
        except UnreadableError as failed:
            tally.failures[failed.failure.record] = failed.failure.problem
        else:
            tally.add(0.0, 0, [arrival.record])

    def _sow(self, step: int, number: int) -> None:
        torch.manual_seed(mix("micro-batch", self._seed, step, self._team.rank, number))

    def _refuse(self, block: Block, suspects: list[str]) -> None:
        names = [name for each in self._team.gather(suspects) for name in each]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise RunError(
            f"the loss of step {block.step + 1} is not a finite number; in the micro-batch: "
            f"{shown or 'unknown'}. Lower --learning-rate, use --precision float32, or look at "
            "these records; the last checkpoint is from before"
        )
