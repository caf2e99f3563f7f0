"""Planning prediction: runtime, precision, batches and readers, inside a memory budget."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anysize.core.batches import BatchPlan
from anysize.core.errors import BudgetError
from anysize.core.memory import format_size, resident, trim
from anysize.core.protocols import Opened
from anysize.core.running import is_packed
from anysize.core.steps import ONE_RUN, Generation, Step, generation_options
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.planning.batching import Batching, plan_batches
from anysize.planning.candidates import candidates_for
from anysize.planning.choice import Choice, choose
from anysize.planning.guard import GuardedStep, MemoryGuard
from anysize.planning.rows import LEAST, sizes
from anysize.planning.sampling import Sample
from anysize.planning.selection import Candidate

# Batches side by side are for jobs of so many windows; fewer are done sooner with all threads.
_MANY_WINDOWS = 32
# The same of windows that take a second each and more.
_MANY_LONG_WINDOWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPlan:
    """How prediction runs inside its budget.

    Attributes:
        batches: cost of a batch, look-ahead, most windows.
        loaders: reader threads.
        runtime, precision: what runs the model.
        candidate: opens it.
        memory: the budget in bytes.
        predicted_peak: largest resident size that is expected, in bytes.
        window: cost of one whole window; batches are never smaller.
        work: bytes that a batch needs while it runs.
        reading: bytes that reading the inputs takes.
        scope: cost of the largest job that the plan is made for; None is any.
        longest: cost of the largest example that there is memory for; None where nobody asked.
        why: one sentence for each choice.
    """

    batches: BatchPlan
    loaders: int
    runtime: str
    precision: str
    memory: int
    predicted_peak: int
    window: int
    work: int
    reading: int
    scope: int | None
    why: tuple[str, ...]
    candidate: Candidate = field(repr=False, compare=False)
    longest: int | None = None
    opened: list[Opened] = field(default_factory=list, repr=False, compare=False)

    def open_runtime(self) -> Opened:
        """The runtime that was planned for: the one kept open, or where it is taken a new one."""
        # Two threads may ask at once.
        with contextlib.suppress(IndexError):
            return self.opened.pop()
        return self.candidate.open()

    def give_back(self, runtime: Opened) -> None:
        """Keeps a runtime open for the next prediction; one is enough."""
        if self.opened:
            runtime.close()
        else:
            self.opened.append(runtime)

    def close(self) -> None:
        """Closes what is kept open; the plan may still be used."""
        with contextlib.suppress(IndexError):
            self.opened.pop().close()

    def guarded(self, step: Step) -> Step:
        """The step under a guard that makes batches smaller before memory runs out.

        What a generation keeps of long prompts is bounded by what there is memory for.
        """
        if self.longest is not None and isinstance(step, Generation):
            step = step.within(self.longest)
        guard = MemoryGuard(self.memory, self.batches.budget, self.window, self.work)
        return GuardedStep(step, guard, packed=self.batches.packed)

    def to_json(self) -> dict[str, Any]:
        return {
            "batches": asdict(self.batches),
            "loaders": self.loaders,
            "runtime": self.runtime,
            "precision": self.precision,
            "memory": self.memory,
            "predicted_peak": self.predicted_peak,
            "why": list(self.why),
        }


def plan_prediction(
    network: Network,
    seen: Sample | None = None,
    *,
    memory: int,
    runtime: str = "auto",
    precision: str = "auto",
    folder: Path | None = None,
    loaders: int | None = None,
    thorough: bool = False,
    step: Step = ONE_RUN,
) -> PredictionPlan:
    """Chooses a runtime, probes the step with it and chooses the batches.

    Args:
        network: loaded.
        seen: a look at what will be predicted; None plans for any input.
        memory: budget of this process in bytes.
        runtime: ``torch``, ``openvino``, or ``auto``: the fastest by measurement where the job
            is long enough to be worth the measurement or the answer is known, else torch.
        precision: ``float32``, ``bfloat16`` or ``auto``: as for the runtime.
        folder: the bundle, where compiled forms are kept.
        loaders: reader threads; None leaves it to the planner.
        thorough: measure the runtimes even where this job is not worth it, because others like it
            will follow.
        step: what is done with a batch.

    Raises:
        BudgetError: not even one window fits.
        MissingExtraError: the runtime asked for is not installed.
    """
    many = seen is not None and worth_streams(network, seen, step)
    options = generation_options(step)
    candidates = candidates_for(
        network, runtime, precision, folder, needs=step.needs, many=many, options=options
    )
    chosen = choose(candidates, network, seen, memory, folder=folder, thorough=thorough, step=step)
    readers = loaders if loaders is not None else _readers(network, seen)
    total = None if seen is None else _step_cost(step, seen)
    reading = 0 if seen is None else seen.reading
    first: BudgetError | None = None
    order = list(_in_order(chosen, candidates))
    least = min(candidate.opening for candidate in order)
    left_out: list[str] = []
    for candidate in order:
        ready = chosen.opened if candidate is chosen.candidate else None
        large = ready is None and resident() + candidate.opening > memory
        if large and (first is not None or candidate.opening > least):
            left_out.append(
                f"{candidate.name} {candidate.precision} is left out: opening it takes "
                f"{format_size(candidate.opening)} more"
            )
            continue
        opened = ready or candidate.open()
        try:
            batching = plan_batches(
                opened,
                network,
                step=step,
                memory=memory,
                packed=is_packed(opened),
                total_cost=total,
                own=None if seen is None else sizes(step, seen.examples),
                loaders=readers,
                extra=reading,
            )
        except BudgetError as error:
            opened.close()
            trim()
            if first is None or error.smallest < first.smallest:
                first = error
            continue
        except BaseException:
            opened.close()
            raise
        job = None if seen is None else max(seen.total_cost, 1)
        scope = None if chosen.settled and batching.whole else job
        why = (*chosen.why, *dict.fromkeys(left_out))
        return _plan(candidate, opened, batching, memory, reading, scope, why)
    assert first is not None
    raise first


def _plan(
    candidate: Candidate,
    opened: Opened,
    batching: Batching,
    memory: int,
    reading: int,
    scope: int | None,
    why: Sequence[str],
) -> PredictionPlan:
    return PredictionPlan(
        batches=batching.batches,
        loaders=batching.loaders,
        runtime=opened.name,
        precision=opened.precision,
        memory=memory,
        predicted_peak=batching.predicted_peak,
        window=batching.window,
        work=batching.work,
        reading=reading,
        scope=scope,
        why=(*why, *batching.why),
        candidate=candidate,
        longest=batching.longest,
        opened=[opened],
    )


def _in_order(chosen: Choice, candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """The choice, and what else may fit where it does not."""
    order = [chosen.candidate, *(item for item in candidates if item is not chosen.candidate)]
    yield from order
    yield from (item.alone for item in order if item.alone is not None)


def worth_streams(network: Network, seen: Sample, step: Step) -> bool:
    """Whether a job is worth batches side by side: of sequences, two full batches are.

    Args:
        network: whose windows they are.
        seen: of the job.
        step: what is done with its windows.
    """
    options, own = generation_options(step), sizes(step, seen.examples)
    if options is not None and own is not None:
        return seen.total_cost // own.typical * options.beams >= 2 * LEAST
    many = _MANY_LONG_WINDOWS if step.needs == "transcribe" else _MANY_WINDOWS
    return seen.total_cost >= many * network.settings.whole


def _step_cost(step: Step, seen: Sample) -> int:
    """What the whole job costs by the step, from the windows that were seen."""
    own = sum(example.cost for example in seen.examples)
    if not own:
        return max(seen.total_cost, 1)
    whole = sum(step.cost(example.cost) for example in seen.examples)
    return max(seen.total_cost * whole // own, 1)


def _readers(network: Network, seen: Sample | None) -> int:
    """What is slow to decode is decoded beside the model; the rest is not worth a thread."""
    if not modality_of(network.settings).reads_slowly or (
        seen is not None and len(seen.examples) < 8
    ):
        return 0
    return 2
