"""Planning prediction: runtime, precision, batches and readers, inside a memory budget."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anysize.core import plugins
from anysize.core.batches import BatchPlan
from anysize.core.errors import BudgetError, ConfigurationError, MissingExtraError
from anysize.core.examples import Example
from anysize.core.memory import resident, trim
from anysize.core.protocols import Runtime
from anysize.core.records import Source
from anysize.models.network import Network
from anysize.plan.batching import plan_batches
from anysize.plan.guard import GuardedRuntime, MemoryGuard
from anysize.plan.sampling import Sample, sample
from anysize.plan.selection import Candidate, fastest, remembered
from anysize.tasks.protocols import Task

# A job that takes less time than trying other runtimes would is not worth the try.
_WORTH_SECONDS = 20.0
_TRIED_COST = 8192
# Batches side by side are for jobs of so many windows; fewer are done sooner with all threads.
_MANY_WINDOWS = 32
# What running a few windows takes, at the least, beside the weights.
_TRIAL = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPlan:
    """How prediction runs inside its budget.

    Attributes:
        batches: cost of a batch, look-ahead, most windows.
        threads: reader threads.
        runtime, precision: what runs the model.
        memory: the budget in bytes.
        predicted_peak: largest resident size that is expected, in bytes.
        window: cost of one whole window; batches are never smaller.
        work: bytes that a batch needs while it runs.
        why: one sentence for each choice.
    """

    batches: BatchPlan
    threads: int
    runtime: str
    precision: str
    memory: int
    predicted_peak: int
    window: int
    work: int
    why: tuple[str, ...]
    opener: Callable[[], Runtime] = field(repr=False, compare=False)
    opened: list[Runtime] = field(default_factory=list, repr=False, compare=False)

    def open_runtime(self) -> Runtime:
        """The runtime that was planned for: the probed one, or where it is taken a new one."""
        return self.opened.pop() if self.opened else self.opener()

    def guarded(self, runtime: Runtime) -> Runtime:
        """The runtime under a guard that makes batches smaller before memory runs out."""
        guard = MemoryGuard(self.memory, self.batches.budget, self.window, self.work)
        return GuardedRuntime(runtime, guard, packed=self.batches.packed)

    def to_json(self) -> dict[str, Any]:
        return {
            "batches": asdict(self.batches),
            "threads": self.threads,
            "runtime": self.runtime,
            "precision": self.precision,
            "memory": self.memory,
            "predicted_peak": self.predicted_peak,
            "why": list(self.why),
        }


def plan_prediction(
    network: Network,
    task: Task,
    source: Source | None = None,
    *,
    memory: int,
    runtime: str = "auto",
    precision: str = "auto",
    folder: Path | None = None,
    threads: int | None = None,
    thorough: bool = False,
) -> PredictionPlan:
    """Looks at the data, chooses a runtime, probes it and chooses the batches.

    Args:
        network: loaded.
        task: what it does.
        source: what will be predicted; None plans for any input.
        memory: budget of this process in bytes.
        runtime: ``torch``, ``openvino``, or ``auto``: the fastest by measurement where the job
            is long enough to be worth the measurement or the answer is known, else torch.
        precision: ``float32``, ``bfloat16`` or ``auto``: as for the runtime.
        folder: the bundle, where compiled forms are kept.
        threads: reader threads; None leaves it to the planner.
        thorough: measure the runtimes even where this job is not worth it, because others like it
            will follow.

    Raises:
        BudgetError: not even one window fits.
        MissingExtraError: the runtime asked for is not installed.
    """
    seen = None if source is None else sample(source, task.preprocess(network))
    many = seen is not None and seen.total_cost >= _MANY_WINDOWS * network.settings.whole
    candidates = _candidates(network, runtime, precision, folder, many=many)
    chosen, why = _choose(candidates, network, seen, memory, thorough=thorough)
    wished = threads if threads is not None else _readers(network, seen)
    first: BudgetError | None = None
    # Where the choice does not fit, another runtime still may.
    order = [chosen, *(item for item in candidates if item is not chosen)]
    order += [replace(item, open=item.alone) for item in order if item.alone is not None]
    for candidate in order:
        if first is not None and resident() + candidate.opening > memory:
            continue
        opened = candidate.open()
        packed = bool(getattr(opened, "packed", False))
        try:
            batching = plan_batches(
                opened,
                network,
                memory=memory,
                packed=packed,
                total_cost=None if seen is None else max(seen.total_cost, 1),
                threads=wished,
                extra=0 if seen is None else seen.reading,
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
        return PredictionPlan(
            batches=batching.batches,
            threads=batching.threads,
            runtime=opened.name,
            precision=opened.precision,
            memory=memory,
            predicted_peak=batching.predicted_peak,
            window=batching.window,
            work=batching.work,
            why=(*why, *batching.why),
            opener=candidate.open,
            opened=[opened],
        )
    assert first is not None
    raise first


def _candidates(
    network: Network, runtime: str, precision: str, folder: Path | None, *, many: bool = False
) -> list[Candidate]:
    """What the caller's wishes leave, the surest first; with streams where windows are many."""
    if getattr(network.module, "own_runtime", False):
        runtime, precision = "torch", "float32"
    found = []
    keys = ["torch", *(key for key in plugins.keys("runtimes") if key != "torch")]
    for key in keys if runtime == "auto" else [runtime]:
        module = plugins.load("runtimes", key)
        if runtime == "auto" and not getattr(module, "AUTOMATIC", True):
            continue
        possible: tuple[str, ...] = module.precisions(network)
        if precision != "auto":
            # Asked for by name, it may say itself what it misses.
            named = runtime != "auto" and not possible and network.form is None
            possible = (precision,) if precision in possible or named else ()
        opener = functools.partial(module.open_runtime, network, folder=folder)
        streams = module.streams(network) if many and hasattr(module, "streams") else 1
        needs: Callable[[Network, Path | None], int] | None
        needs = getattr(module, "opening_memory", None)
        opening = needs(network, folder) if needs is not None and possible else 0
        for each in possible:
            alone = functools.partial(opener, each)
            if streams == 1:
                found.append(Candidate(key, each, alone, opening))
            else:
                several = functools.partial(alone, streams=streams)
                found.append(Candidate(key, each, several, opening, alone))
    # What is opened with the least effort is tried first.
    found.sort(key=lambda item: item.opening)
    if not found:
        found = _named(network, runtime, precision, folder)
    return found


def _named(network: Network, runtime: str, precision: str, folder: Path | None) -> list[Candidate]:
    """Where nothing is left: the runtime asked for, which says why not, or an error."""
    if network.form is None:
        key = "torch" if runtime == "auto" else runtime
        chosen = "float32" if precision == "auto" else precision
        module = plugins.load("runtimes", key)
        return [Candidate(key, chosen, lambda: module.open_runtime(network, chosen, folder=folder))]
    form = network.form
    wishes = [
        f"{name} must be {has!r} or 'auto', not {wish!r}"
        for name, has, wish in (
            ("runtime", form.runtime, runtime),
            ("precision", form.precision, precision),
        )
        if wish not in ("auto", has)
    ]
    if wishes:
        raise ConfigurationError([f"the bundle holds a compiled form: {each}" for each in wishes])
    raise MissingExtraError(form.runtime, form.runtime)


def _choose(
    candidates: list[Candidate],
    network: Network,
    seen: Sample | None,
    memory: int,
    *,
    thorough: bool,
) -> tuple[Candidate, list[str]]:
    first = candidates[0]
    if len(candidates) == 1 or seen is None or not seen.examples:
        return first, []
    if resident() + _TRIAL > memory:
        return first, ["torch, because trying other runtimes takes memory"]
    if not thorough and not remembered(candidates, network):
        seconds = _estimated_seconds(first, seen)
        if seconds < _WORTH_SECONDS:
            return first, []

    def fits(candidate: Candidate) -> bool:
        return resident() + candidate.opening + _TRIAL <= memory

    name, precision, rates = fastest(candidates, _calibration(seen), network, fits=fits)
    trim()
    chosen = next(
        (item for item in candidates if (item.name, item.precision) == (name, precision)), first
    )
    if not fits(chosen):
        return first, []
    if not rates:
        return chosen, [f"{name} {precision} was the fastest here when it was measured"]
    unit = network.settings.unit
    measured = ", ".join(f"{key} {rate:,.0f}" for key, rate in rates.items())
    return chosen, [f"{name} {precision} is the fastest ({unit} a second: {measured})"]


def _estimated_seconds(candidate: Candidate, seen: Sample) -> float:
    """How long the whole job takes with a candidate, from a few windows."""
    import time

    runtime = candidate.open()
    try:
        few = seen.examples[:4]
        runtime.run(few)
        started = time.perf_counter()
        runtime.run(few)
        elapsed = time.perf_counter() - started
    finally:
        runtime.close()
    return elapsed * seen.total_cost / sum(example.cost for example in few)


def _calibration(seen: Sample) -> list[Example]:
    """Windows of the job's own sizes, enough for a fair measurement and no more."""
    found: list[Example] = []
    total = 0
    most = _TRIED_COST * (16 if "pixels" in seen.examples[0].arrays else 1)
    step = max(len(seen.examples) // 64, 1)
    for example in seen.examples[::step]:
        found.append(example)
        total += example.cost
        if total >= most:
            break
    return found


def _readers(network: Network, seen: Sample | None) -> int:
    """Pictures are decoded beside the model; the rest is read too quickly to be worth a thread."""
    if network.image is None or (seen is not None and len(seen.examples) < 8):
        return 0
    return 2
