"""Planning training: how much goes through the model at once, and what is given up for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from anysize.core.examples import Example
from anysize.core.memory import format_size, resident, trim
from anysize.plan import budget, synthetic
from anysize.plan.probe import Climb, Work, climb
from anysize.train.pooled import Objective, Windows, one_graph

if TYPE_CHECKING:
    from torch import nn

_MOST_TOKENS = 16384
_MOST_PIXELS = 128 * 224 * 224
_SECONDS = 5.0
_AHEAD = 32
_FIRST = 8


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
        smallest_cost: what a guard must not go below: one window.
        why: one sentence for each choice.
    """

    micro_cost: int
    checkpointing: bool
    bfloat16: bool
    loaders: int
    memory: int
    predicted_peak: int
    smallest_cost: int
    why: tuple[str, ...]

    @classmethod
    def agreed(cls, plans: Sequence[TrainingPlan]) -> TrainingPlan:
        """The most frugal of the workers' plans, for all of them."""
        chosen = min(plans, key=lambda plan: (not plan.checkpointing, plan.micro_cost))
        return replace(
            chosen,
            loaders=min(plan.loaders for plan in plans),
            predicted_peak=max(plan.predicted_peak for plan in plans),
        )


def plan_training(
    objective: Objective,
    *,
    memory: int,
    workers: int = 1,
    records: int,
    states: int = 2,
    longest: int | None = None,
    most_cost: int | None = None,
    loaders: int = 0,
    extra: int = 0,
    may_use_bfloat16: bool = False,
    seconds: float = _SECONDS,
) -> TrainingPlan:
    """Probes forward and backward passes and chooses the micro-batch.

    To be called before gradients and optimizer states exist: they are added here. Weights,
    buffers, gradients and torch's random state are left as they were. The choice depends on
    measured memory only, never on time, and is a power of two of windows, so that runs of the
    same recipe in the same budget agree unless the budget is at the very edge.

    Args:
        objective: as the loop will run it.
        memory: budget in bytes of all workers and their launcher together.
        workers: how many processes share it.
        records: of one optimizer step on this worker.
        states: optimizer states as large as the weights: 2 for AdamW, 1 for momentum, and one
            more for averaged weights.
        longest: tokens of the longest window of the data, where known to be below the model's.
        most_cost: the largest cost of one step on this worker, where known.
        loaders: reader threads that are wished for.
        extra: bytes that the readers need on top (decoders, rows of tiles).
        may_use_bfloat16: whether bfloat16 may be taken to save memory.
        seconds: how long each probe may take, about.

    Raises:
        BudgetError: not even one window fits, whatever is given up.
    """
    allowed = budget.share(memory, workers)
    module = objective.network.module
    window = synthetic.windows(objective.network, 1, longest=longest)[0]
    text = objective.network.text is not None
    most = max((_MOST_TOKENS if text else _MOST_PIXELS) // window.cost, 1)
    if most_cost is not None:
        most = min(most, -(-most_cost // window.cost))
    weights = sum(
        item.numel() * item.element_size() for item in module.parameters() if item.requires_grad
    )
    # The flat gradients are there beside the probe's own only while it runs; a sum over the
    # workers passes through a buffer of the same size.
    fixed = extra + weights * (states + (1 if workers > 1 else 0))
    held = int(sum(array.nbytes for array in window.arrays.values()))
    why = [
        f"{format_size(resident())} are taken before training, gradients and optimizer add "
        f"{format_size(weights * (states + 1))}"
    ]
    if loaders and _tight(allowed, fixed, _AHEAD * _FIRST * held, weights):
        loaders = 0
        why.append("no reader threads, to save what they would read ahead")
    fixed += _AHEAD * _FIRST * held if loaders else records * held

    tried: list[str] = ["one window at a time"]
    least = 0
    for checkpointing, bfloat16 in _options(module, objective.bfloat16, may_use_bfloat16):
        if checkpointing:
            tried.append("gradient checkpointing")
        if bfloat16 and not objective.bfloat16:
            tried.append("bfloat16")
        found = _probe(
            replace(objective, bfloat16=bfloat16),
            checkpointing,
            allowed=allowed - fixed,
            most=most,
            longest=longest,
            seconds=seconds,
        )
        needed = _needed(found, window.cost, fixed)
        least = min(least or needed, needed)
        if needed > allowed:
            continue
        cost = window.cost
        reach = min(most * window.cost, 8 * max(found.largest, window.cost))
        while cost * 2 <= reach and _needed(found, cost * 2, fixed) <= allowed:
            cost *= 2
        why.append(
            f"{cost // window.cost} windows of {window.cost} at once"
            + (": more would not fit" if cost * 2 <= reach else ": more is not needed")
        )
        why += [f"{item}, because it would not fit without" for item in tried[1:]]
        return TrainingPlan(
            micro_cost=cost,
            checkpointing=checkpointing,
            bfloat16=bfloat16,
            loaders=loaders,
            memory=allowed,
            predicted_peak=_needed(found, cost, fixed),
            smallest_cost=window.cost,
            why=tuple(why),
        )
    raise budget.refuse(
        f"training {objective.network.spec}", memory, least, workers, tried
    )


def _options(
    module: nn.Module, bfloat16: bool, may_use_bfloat16: bool
) -> Iterator[tuple[bool, bool]]:
    """What is tried, from the fastest to the most frugal."""
    checkpointing = bool(getattr(module, "supports_gradient_checkpointing", False))
    yield False, bfloat16
    if checkpointing:
        yield True, bfloat16
    if may_use_bfloat16 and not bfloat16:
        yield checkpointing, True


def set_checkpointing(module: nn.Module, on: bool) -> None:
    """Switches gradient checkpointing of a transformers model (Chen et al. 2016)."""
    if on:
        module.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
    elif getattr(module, "is_gradient_checkpointing", False):
        module.gradient_checkpointing_disable()  # type: ignore[operator]


def _probe(
    objective: Objective,
    checkpointing: bool,
    *,
    allowed: int,
    most: int,
    longest: int | None,
    seconds: float,
) -> Climb:
    network = objective.network

    def work(examples: Sequence[Example]) -> tuple[Work, int]:
        records = [Windows([example], 0) for example in examples]
        return lambda: one_graph(objective, records), sum(item.cost for item in examples)

    with _undisturbed(network.module, checkpointing):
        return climb(
            lambda share: work(synthetic.part_of_window(network, share, longest=longest)),
            lambda count: work(synthetic.windows(network, count, longest=longest)),
            allowed=allowed,
            parts=synthetic.parts(network, longest=longest),
            most=most,
            seconds=seconds,
        )


@contextmanager
def _undisturbed(module: nn.Module, checkpointing: bool) -> Iterator[None]:
    """Train mode with gradients of the probe's own; everything is put back afterwards."""
    training = module.training
    before = bool(getattr(module, "is_gradient_checkpointing", False))
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    gradients = [(item, item.grad) for item in module.parameters()]
    random = torch.get_rng_state()
    module.train()
    if checkpointing != before:
        set_checkpointing(module, checkpointing)
    for item, _ in gradients:
        item.grad = None
    try:
        yield
    finally:
        for item, gradient in gradients:
            item.grad = gradient
        for buffer, value in buffers:
            buffer.copy_(value)
        if checkpointing != before:
            set_checkpointing(module, before)
        module.train(training)
        torch.set_rng_state(random)
        trim()


def _needed(found: Climb, cost: int, fixed: int) -> int:
    """Expected peak of a whole run at this cost, margin included."""
    peak = found.line.peak(cost)
    return peak + budget.margin(peak - found.floor) + fixed


def _tight(allowed: int, fixed: int, waiting: int, weights: int) -> bool:
    """Whether reading ahead would take more than a tenth of what is left for the work."""
    return waiting > (allowed - resident() - fixed - weights) / 10
