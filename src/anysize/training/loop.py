"""The training loop.

Every step takes the next records of the epoch's order, sums their gradients over micro-batches and
workers, divides by the number of records and updates the weights. In between: validation, the best
and the last checkpoint, the log, and a clean end.
"""

from __future__ import annotations

import dataclasses
import signal
import time
from contextlib import nullcontext

import torch
from torch import Tensor

from anysize.core.errors import DataError
from anysize.core.progress import Pass, note
from anysize.scale.protocols import Team
from anysize.training import checkpoint
from anysize.training.checkpoint import MOST_NAMED, State
from anysize.training.job import Job
from anysize.training.limits import limit_of
from anysize.training.log_interval import LogInterval
from anysize.training.machinery import Machinery
from anysize.training.optimization import (
    load_optimizer,
    optimizer_tensors,
    rate_factor,
    side_factor,
)
from anysize.training.order import Cursor
from anysize.training.progress import Journal
from anysize.training.step import Totals
from anysize.training.stopping import Stopped, StopRequest
from anysize.training.trace import Trace
from anysize.training.validation import rehearse, validate

_VALIDATION_APART = 10


class Loop:
    """A run on one worker.

    Args:
        job: what is trained on what.
        team: this worker and the others.
        state: where to go on from; one at step 0 starts at the beginning.
        request: asks for a stop.
    """

    def __init__(self, job: Job, team: Team, state: State, request: StopRequest) -> None:
        self._job, self._team, self._request = job, team, request
        self._recipe = job.recipe
        self._machinery = Machinery(job, team)
        budget = self._machinery.budget
        self._guard = None if budget is None else budget.guard()
        self._order = self._machinery.order
        self._limit = limit_of(job.recipe, self._order)
        self.state = state
        self._earlier = state.elapsed
        self._validated_at = -1
        self._validated_after = 0.0
        self._saved = time.monotonic()
        if state.cursor.step:
            self._restore()
        if self._machinery.sparsity is not None:
            self._machinery.sparsity.begin()

    @property
    def checkpointing(self) -> bool:
        """Whether activations are computed again in the backward pass."""
        budget = self._machinery.budget
        return self._recipe.checkpointing == "on" if budget is None else budget.checkpointing

    def run(self) -> str:
        """Trains to the end and leaves the best weights in the network.

        Returns:
            What ended the run: ``epochs``, ``steps``, ``minutes`` or ``patience``.

        Raises:
            Stopped: a signal asked for it; the last checkpoint is written.
            RunError: the run failed.
            DataError: no record could be read.
        """
        step = self.state.cursor.step
        trace = Trace(self._recipe.trace, self._team, step)
        journal = Journal(self._job, step) if self._team.leads else None
        for reason in self._machinery.reasons:
            note(reason)
        if self._job.validation is None:
            note(
                "no validation: no records were kept out for it, so the last weights are kept, "
                "and nothing says how good they are"
            )
        interval, going = LogInterval(), Pass(first=0.0)
        ended = self._limit.name
        try:
            self._rehearse()
            while not self._reached():
                totals, rate = self._step(trace)
                interval.add(totals)
                if self._every(self._recipe.log_every) or self._reached():
                    moment = interval.moment(self.state, self._limit, rate, self._reserve())
                    going.report(moment.progress, moment.sentence())
                    if journal is not None:
                        journal.moment(moment)
                if totals.stop:
                    self._save()
                    number = self._request.signal or signal.SIGINT
                    raise Stopped(number, self.state.cursor.step, self._recipe.out)
                if self._validation_due():
                    self._validate(journal)
                    if 0 < self._recipe.patience <= self.state.stale:
                        ended = "patience"
                        break
                self._save_if_due()
            self._finish_pruning()
            if self._validated_at != self.state.cursor.step:
                self._validate(journal)
            self._save()
        finally:
            self._machinery.stream.close()
            trace.close()
            if journal is not None:
                journal.close()
        self._take_best()
        return ended

    def _step(self, trace: Trace) -> tuple[Totals, float]:
        cursor = self.state.cursor
        block = self._order.block(cursor)
        stepper, averages = self._machinery.stepper, self._machinery.averages
        execution = self._machinery.objective.execution
        execution.side = side_factor(
            self._recipe.value("progressive", 1.0),
            self._limit.progress(cursor.step, self.state.elapsed, self._reserve()),
        )
        if self._guard is not None:
            stepper.limit(self._guard.check())
        totals = stepper.gradients(block, stop=self._request.signal > 0, elapsed=self._clock())
        # The middle of the step: neither the first rate nor the last of a run is zero.
        progress = self._limit.progress(cursor.step + 0.5, totals.elapsed, self._reserve())
        recipe = self._recipe
        rate = (recipe.learning_rate or 0.0) * rate_factor(
            recipe.schedule or "constant", recipe.warmup or 0.0, progress
        )
        stepper.update(totals, block, rate)
        sparsity = self._machinery.sparsity
        if sparsity is not None:
            sparsity.after_step(
                self._limit.progress(cursor.step + 1, totals.elapsed, self._reserve())
            )
        if averages is not None:
            averages.update(cursor.step)
            if sparsity is not None:
                sparsity.mask(averages.tensors)
        trace.write(block, self._machinery.stream.taken)
        self._commit(self._order.after(block), totals)
        return totals, rate

    def _commit(self, cursor: Cursor, totals: Totals) -> None:
        state = self.state
        failures = dict(state.failures)
        new = [record for record in totals.failures if record not in failures]
        for record in new[: MOST_NAMED - len(failures)]:
            failures[record] = totals.failures[record]
        self.state = dataclasses.replace(
            state,
            cursor=cursor,
            elapsed=totals.elapsed,
            used=state.used + totals.records,
            failed=state.failed + (len(new) if len(state.failures) < MOST_NAMED else 0),
            failures=failures,
        )
        if cursor.place == 0 and self.state.used == 0:
            first = next(iter(failures.values()), "unknown")
            raise DataError(
                self._job.training.name, f"no record could be used; the first problem: {first}"
            )

    def _clock(self) -> float:
        return self._earlier + time.monotonic() - self._job.started

    def _reserve(self) -> float:
        """Seconds that the last validation and the saving will take."""
        if self._limit.seconds is None:
            return 0.0
        wished = 1.2 * self.state.validation_seconds + min(5.0, 0.05 * self._limit.seconds)
        # A short run on a busy machine still trains for half of its time.
        return min(wished, 0.5 * self._limit.seconds)

    def _rehearse(self) -> None:
        """A run by the clock must know what its last validation will take."""
        job, parts = self._job, self._machinery
        known = self.state.validation_seconds > 0
        if self._limit.seconds is None or known or job.validation is None:
            return
        seconds, elapsed = self._team.from_leader(
            rehearse(
                parts.objective,
                job.validation,
                job.task.preprocess(job.network),
                job.card.labels,
                parts.plan,
                self._team,
                parts.loaders,
            ),
            self._clock(),
        )
        self.state = dataclasses.replace(self.state, validation_seconds=seconds, elapsed=elapsed)

    def _reached(self) -> bool:
        step, elapsed = self.state.cursor.step, self.state.elapsed
        return self._limit.progress(step, elapsed, self._reserve()) >= 1.0

    def _every(self, steps: int) -> bool:
        return self.state.cursor.step % steps == 0

    def _validation_due(self) -> bool:
        every = self._recipe.validate_every
        if every is not None:
            return self._every(every)
        if self._limit.seconds is not None:
            # A run by the clock gives no more than a tenth of it to validation.
            since = self.state.elapsed - self._validated_after
            if since < _VALIDATION_APART * self.state.validation_seconds:
                return False
        return self.state.cursor.place == 0

    def _validate(self, journal: Journal | None) -> None:
        """Measures, keeps the best weights and counts what was no better."""
        self._validated_at = self.state.cursor.step
        self._machinery.objective.execution.side = 1.0
        if self._job.validation is None:
            return
        started = time.monotonic()
        averages = self._machinery.averages
        with averages.applied() if averages is not None else nullcontext():
            score = validate(
                self._machinery.objective,
                self._job.validation,
                self._job.task.preprocess(self._job.network),
                self._job.card.labels,
                self._machinery.plan,
                self._team,
                self.state.cursor.step,
                self._machinery.loaders,
            )
            # Weights that are to be pruned still are no candidates.
            sparsity = self._machinery.sparsity
            settled = sparsity is None or sparsity.settled
            better = settled and score.better_than(self.state.best)
            self.state = dataclasses.replace(
                self.state,
                best=score if better else self.state.best,
                stale=0 if better or not settled else self.state.stale + 1,
            )
            if better and self._team.leads:
                checkpoint.save(self._job.best, self.state, {"weights": self._machinery.weights()})
        seconds, elapsed = self._team.from_leader(time.monotonic() - started, self._clock())
        self.state = dataclasses.replace(self.state, validation_seconds=seconds, elapsed=elapsed)
        self._validated_after = elapsed
        metric = self._job.task.main_metric
        note(
            f"validation after step {score.step}: {metric} {score.metric:.4f}, loss "
            f"{score.loss:.4f}{' (best)' if better else ''}"
        )
        if journal is not None:
            journal.write(
                score.step, {f"validation_{metric}": score.metric, "validation_loss": score.loss}
            )

    def _finish_pruning(self) -> None:
        """A run by the clock, or one that lost patience, may end before all is pruned."""
        sparsity, averages = self._machinery.sparsity, self._machinery.averages
        if sparsity is None or not sparsity.finish():
            return
        if averages is not None:
            sparsity.mask(averages.tensors)
        self._validated_at = -1

    def _save_if_due(self) -> None:
        recipe = self._recipe
        by_step = recipe.checkpoint_steps > 0 and self._every(recipe.checkpoint_steps)
        waited = time.monotonic() - self._saved
        if by_step or 0 < recipe.checkpoint_seconds <= waited:
            self._save()

    def _save(self) -> None:
        """Renews the last checkpoint; the workers are alike, so the leader's will do."""
        if self._team.leads:
            tensors = {
                "weights": self._machinery.weights(),
                "optimizer": optimizer_tensors(self._machinery.optimizer),
            }
            if self._machinery.averages is not None:
                tensors["averages"] = self._machinery.averages.tensors
            checkpoint.save(self._job.last, self.state, tensors)
        self._saved = time.monotonic()

    def _restore(self) -> None:
        folder = self._job.last
        weights = checkpoint.read_tensors(folder, "weights")
        if missing := self._machinery.weights().keys() - weights.keys():
            raise DataError(str(folder), f"has no {min(missing)}, which the model has")
        self._machinery.load_weights(weights)
        load_optimizer(self._machinery.optimizer, checkpoint.read_tensors(folder, "optimizer"))
        if self._machinery.averages is not None:
            self._machinery.averages.load(checkpoint.read_tensors(folder, "averages"))

    def _take_best(self) -> None:
        """Leaves in the network what is to be saved: the best weights, or the averaged ones."""
        tensors: dict[str, Tensor] = {}
        if self.state.best is not None and self._team.leads:
            tensors = checkpoint.read_tensors(self._job.best, "weights")
        elif self._machinery.averages is not None:
            tensors = self._machinery.averages.tensors
        self._machinery.load_weights(tensors)
        module: torch.nn.Module = self._job.network.module
        module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        module.eval()


def warm_up() -> None:
    """Loads what takes long to load, while others prepare."""
    import transformers

    _ = transformers.PreTrainedModel
