"""Planning training: how much goes through the model at once, and what is given up for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from anysize.core.examples import Example
from anysize.core.memory import bound_heap, bound_kernels, format_size, resident
from anysize.core.plurals import number_of
from anysize.modalities import modality_of
from anysize.planning import budget, synthetic
from anysize.planning.batching import READ_AHEAD
from anysize.planning.guard import MemoryGuard
from anysize.planning.probe import Climb
from anysize.training.layers import trained_count
from anysize.training.pooled import Objective
from anysize.training.probing import REACH, can_checkpoint, probe

if TYPE_CHECKING:
    from torch import nn

    from anysize.models.network import Network

# The loop holds this many micro-batches before it sorts them (training.machinery), and one more.
_HELD = 17
CHECKPOINTING = "gradient checkpointing (exact, about a third more time)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How training runs inside its budget.

    Attributes:
        micro_cost: tokens or pixels that go through the model at once.
        checkpointing: whether activations are computed again in the backward pass.
        bfloat16: whether the forward pass computes in bfloat16.
        loaders: reader threads.
        memory: the budget of this worker in bytes.
        predicted_peak: largest resident size of this worker that is expected, in bytes.
        window: cost of one whole window; micro-batches are never smaller.
        work: bytes that a micro-batch needs while it runs.
        kept: bytes of decoded pictures that may be kept from epoch to epoch.
        why: one sentence for each choice.
        findings: what was guessed, repaired or left out of the data, as JSON objects.
    """

    micro_cost: int
    checkpointing: bool
    bfloat16: bool
    loaders: int
    memory: int
    predicted_peak: int
    window: int
    work: int
    why: tuple[str, ...]
    kept: int = 0
    findings: Sequence[Mapping[str, Any]] = ()

    def guard(self) -> MemoryGuard:
        """A guard to ask before every step."""
        return MemoryGuard(self.memory, self.micro_cost, self.window, self.work)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "why": list(self.why)}

    @classmethod
    def agreed(cls, plans: Sequence[TrainingPlan]) -> TrainingPlan:
        """The most frugal of the workers' plans, for all of them; each keeps its own budget."""
        chosen = min(plans, key=lambda plan: (not plan.checkpointing, plan.micro_cost))
        return replace(
            chosen,
            loaders=min(plan.loaders for plan in plans),
            kept=min(plan.kept for plan in plans),
            memory=min(plan.memory for plan in plans),
            predicted_peak=max(plan.predicted_peak for plan in plans),
        )


def plan_training(
    objective: Objective,
    *,
    memory: int,
    workers: int = 1,
    beside: int = 0,
    states: int = 2,
    step_cost: int | None = None,
    loaders: int = 0,
    extra: int = 0,
    may_use_bfloat16: bool = False,
    checkpointing: str = "auto",
    seconds: float = 8.0,
) -> TrainingPlan:
    """Probes forward and backward passes and chooses the micro-batch.

    To be called before gradients and optimizer states exist: they are added here. Weights,
    buffers, gradients and torch's random state are left as they were. The choice is by memory
    alone, never by time, and a power of two of windows, so that runs of the same recipe in the
    same budget agree unless the budget is at the very edge.

    Args:
        objective: as the loop will run it.
        memory: budget in bytes of all workers and what runs beside them.
        workers: how many share it.
        beside: bytes of what runs beside them (``Team.beside``).
        states: tensors as large as the weights that the optimizer keeps: 2 for AdamW, 1 for
            momentum, and one more for averaged weights.
        step_cost: of one step on this worker, where known: more at once is not needed.
        loaders: reader threads that are wished for.
        extra: bytes that the readers need on top (decoders, rows of tiles).
        may_use_bfloat16: whether bfloat16 may be taken to save memory.
        checkpointing: ``on``, ``off``, or ``auto``, only where it would not fit otherwise.
        seconds: processor time that each probe may take, about.

    Raises:
        BudgetError: not even one window fits, whatever is given up.
    """
    allowed = budget.share(memory, workers, beside)
    network = objective.network
    bound_heap()
    if network.settings.varying:
        bound_kernels(held=256)
    window = synthetic.windows(network, 1)[0]
    most = _most(network, window.cost, step_cost)
    needs, loaders, why = _standing_needs(
        objective, window, allowed=allowed, workers=workers, states=states, step_cost=step_cost,
        loaders=loaders, extra=extra,
    )  # fmt: skip
    given_up: tuple[str, ...] = ()
    leasts, floors = list[int](), list[int]()
    trials = _trials(
        objective,
        _options(network.module, objective.bfloat16, may_use_bfloat16, checkpointing),
        allowed=allowed, fixed=needs.fixed, most=most, seconds=seconds,
    )  # fmt: skip
    for trial in trials:
        found, given_up = trial.found, trial.given_up
        floors.append(found.floor)
        expected = partial(needs.peak, found, bfloat16=trial.bfloat16, first_floor=floors[0])
        leasts.append(expected(window.cost))
        if leasts[-1] > allowed:
            continue
        cost, enough = _largest_cost(expected, window.cost, found.largest, most, allowed)
        count = _in_words(cost // window.cost, window.cost, network.settings.unit, enough)
        forced = CHECKPOINTING if trial.checkpointing and checkpointing == "on" else None
        why += [count, *_reasons(given_up, forced, expected(cost), allowed)]
        return TrainingPlan(
            micro_cost=cost,
            checkpointing=trial.checkpointing,
            bfloat16=trial.bfloat16,
            loaders=loaders,
            memory=allowed,
            predicted_peak=expected(cost),
            window=window.cost,
            work=max(found.line.peak(cost) - found.floor, 0),
            why=tuple(why),
        )
    tried = ["one window at a time", *given_up]
    raise budget.refuse(f"training {network.spec}", memory, min(leasts), workers, tried, beside)


def _most(network: Network, window: int, step_cost: int | None) -> int:
    """Windows that are worth running at once, at most."""
    most = max(modality_of(network.settings).costs.trained // window, 1)
    return most if step_cost is None else max(min(most, -(-step_cost // window)), 1)


def _in_words(count: int, window: int, unit: str, enough: bool) -> str:
    limit = "more is not needed" if enough else "all that fits"
    return f"{number_of(count, 'window', 'windows')} of {window} {unit} at once ({limit})"


def _reasons(given_up: Sequence[str], forced: str | None, expected: int, allowed: int) -> list[str]:
    """What was given up, as asked for or for memory, and how much of it is used."""
    return [
        *(
            f"{item}, as asked for"
            if item == forced
            else f"{item}, because it would not fit without"
            for item in given_up
        ),
        f"{format_size(expected)} of {format_size(allowed)} are expected to be used",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A probe of training, and what was given up for memory in it."""

    checkpointing: bool
    bfloat16: bool
    found: Climb
    given_up: tuple[str, ...]


def _trials(
    objective: Objective,
    options: Iterable[tuple[bool, bool]],
    *,
    allowed: int,
    fixed: int,
    most: int,
    seconds: float,
) -> Iterator[_Trial]:
    """Probes, each of which gives up more than the one before; see `plan_training`."""
    for checkpointing, bfloat16 in options:
        given_up = [CHECKPOINTING] * checkpointing
        given_up += ["bfloat16"] * (bfloat16 and not objective.bfloat16)
        found = probe(
            replace(objective, bfloat16=bfloat16),
            checkpointing,
            ceiling=allowed,
            fixed=fixed,
            most=most,
            seconds=seconds,
        )
        yield _Trial(
            checkpointing=checkpointing, bfloat16=bfloat16, found=found, given_up=tuple(given_up)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """What training takes in memory beside what a probe of it measures.

    Attributes:
        fixed: bytes that are taken whatever the micro-batch.
        weights: bytes of the weights that are trained.
        held: bytes of inputs for each token or pixel.
        step_cost: tokens or pixels of a step, where known.
        varying: whether the shapes of batches vary.
    """

    fixed: int
    weights: int
    held: float
    step_cost: int | None
    varying: bool

    def peak(self, found: Climb, cost: int, *, bfloat16: bool, first_floor: int) -> int:
        """The largest resident size in bytes with micro-batches of so many tokens or pixels.

        Args:
            found: the probe in that precision.
            cost: of a micro-batch.
            bfloat16: whether it computes in bfloat16.
            first_floor: what was resident before the first probe of all, in bytes.
        """
        # At the end the best weights are read beside the last ones, with no batch under way.
        peak = max(found.line.peak(cost), found.floor + self.weights)
        waiting = _HELD * cost
        if self.step_cost is not None:
            waiting = min(waiting, self.step_cost + cost)
        spare = budget.margin(
            peak - found.floor,
            compiling=self.varying and bfloat16,
            compiled=found.floor + found.grown - first_floor,
        )
        return peak + spare + self.fixed + int(waiting * self.held)


def _standing_needs(
    objective: Objective,
    window: Example,
    *,
    allowed: int,
    workers: int,
    states: int,
    step_cost: int | None,
    loaders: int,
    extra: int,
) -> tuple[_Needs, int, list[str]]:
    """What is taken beside micro-batches, how many readers that leaves room for, and why."""
    weights = _trained_size(objective)
    held = sum(array.nbytes for array in window.arrays.values()) / window.cost
    # The workers' sum of gradients passes through a buffer of the communication library.
    fixed = extra + weights * (states + (1 if workers > 1 else 0))
    said = trained_count(objective.network.module)
    why = [
        *([said] if said else []),
        f"{format_size(resident())} are taken before training, gradients and optimizer add "
        f"{format_size(weights * (states + 1))}",
    ]
    ahead = int(READ_AHEAD * held * window.cost)
    if loaders and ahead > (allowed - resident() - fixed - weights) / 8:
        loaders = 0
        why.append("no reader threads, to save what they would read ahead")
    needs = _Needs(
        fixed=fixed + (ahead if loaders else 0),
        weights=weights,
        held=held,
        step_cost=step_cost,
        varying=objective.network.settings.varying,
    )
    return needs, loaders, why


def _largest_cost(
    expected: Callable[[int], int], window: int, measured: int, most: int, allowed: int
) -> tuple[int, bool]:
    """The largest micro-batch that fits, by powers of two, and whether more would be no use.

    Args:
        expected: bytes that a micro-batch of that cost takes.
        window: cost of one window, which fits.
        measured: the largest cost that was probed.
        most: windows that are useful at once.
        allowed: bytes.
    """
    reach = min(most * window, REACH * max(measured, window))
    cost = window
    while cost * 2 <= reach and expected(cost * 2) <= allowed:
        cost *= 2
    return cost, cost * 2 > reach


def _options(
    module: nn.Module, bfloat16: bool, may_use_bfloat16: bool, wished: str
) -> Iterator[tuple[bool, bool]]:
    """Checkpointing and bfloat16 as they are tried, from the fastest to the most frugal."""
    checkpointing = wished != "off" and can_checkpoint(module)
    if wished != "on":
        yield False, bfloat16
    if checkpointing:
        yield True, bfloat16
    if may_use_bfloat16 and not bfloat16:
        yield checkpointing, True


def _trained_size(objective: Objective) -> int:
    return sum(
        item.numel() * item.element_size()
        for module in objective.parts().values()
        for item in module.parameters()
        if item.requires_grad
    )
