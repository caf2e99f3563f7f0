"""Planning prediction: how much goes through the model at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anysize.core.batches import BatchPlan
from anysize.core.examples import Example
from anysize.core.memory import format_size, resident
from anysize.core.protocols import Runtime
from anysize.models.network import Network
from anysize.plan import budget, synthetic
from anysize.plan.probe import Climb, Work, climb

# More at once was never faster on a processor.
_MOST_TOKENS = 16384
_MOST_PIXELS = 64 * 224 * 224
_SECONDS = 3.0
# What core.pipeline.examples lets reader threads hold: records under way and windows of each.
_AHEAD = 32
_FIRST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPlan:
    """How prediction runs inside its budget.

    Attributes:
        batches: cost of a batch, look-ahead, most windows.
        threads: reader threads.
        runtime, precision: what it was planned for.
        memory: the budget in bytes.
        predicted_peak: largest resident size that is expected, in bytes.
        smallest_cost: what a guard must not go below: one window.
        why: one sentence for each choice.
    """

    batches: BatchPlan
    threads: int
    runtime: str
    precision: str
    memory: int
    predicted_peak: int
    smallest_cost: int
    why: tuple[str, ...]


def plan_prediction(
    runtime: Runtime,
    network: Network,
    *,
    memory: int,
    packed: bool,
    longest: int | None = None,
    windows: int | None = None,
    threads: int = 0,
    extra: int = 0,
    seconds: float = _SECONDS,
) -> PredictionPlan:
    """Probes a loaded runtime and chooses the cost of a batch.

    Args:
        runtime: with its weights loaded, in this process.
        network: whose windows it reads.
        memory: budget of this process in bytes.
        packed: whether padding is free for this runtime (`TorchRuntime.packed`).
        longest: tokens of the longest window of the data, where known to be below the model's.
        windows: how many there will be at most, where known; a small job is probed less.
        threads: reader threads that are wished for.
        extra: bytes that the readers need on top (decoders, rows of tiles).
        seconds: how long the probe may take, about.

    Raises:
        BudgetError: not even one window fits.
    """
    window = synthetic.windows(network, 1, longest=longest)[0]
    most = max((_MOST_TOKENS if network.text is not None else _MOST_PIXELS) // window.cost, 1)
    if windows is not None:
        most = max(min(most, windows), 1)
    found = climb(
        lambda share: _work(runtime, synthetic.part_of_window(network, share, longest=longest)),
        lambda count: _work(runtime, synthetic.windows(network, count, longest=longest)),
        allowed=memory - extra,
        parts=synthetic.parts(network, longest=longest),
        most=most,
        seconds=seconds,
    )
    why = [
        f"{runtime.name} in {runtime.precision}: {format_size(resident())} are taken before the "
        f"first batch, a window of {window.cost} takes {_growth(found, window.cost)} more"
    ]
    held = _bytes_per_cost(window)
    waiting = int(_AHEAD * _FIRST * held * window.cost)
    if threads and _needed(found, window.cost, extra + waiting, held) > memory:
        threads = 0
        why.append("no reader threads, to save what they would read ahead")
    extra += waiting if threads else 0
    needed = _needed(found, window.cost, extra, held)
    if needed > memory:
        raise budget.refuse(
            f"predicting with {network.spec}", memory, needed, 1, ["one window at a time"]
        )
    wished = found.efficient_cost() if found.measurements else window.cost
    cost = window.cost
    while cost * 2 <= wished and _needed(found, cost * 2, extra, held) <= memory:
        cost *= 2
    why.append(
        f"{cost // window.cost} windows of {window.cost} at once"
        + (": more would not be faster" if cost * 2 > wished else ": more would not fit")
    )
    peak = _needed(found, cost, extra, held)
    # Pictures are all of one size, there is nothing to sort.
    look_ahead = 4 * cost if network.text is not None else 0
    plan = BatchPlan(budget=cost, packed=packed, look_ahead=look_ahead, most=max(cost // 4, 1))
    return PredictionPlan(
        batches=plan,
        threads=threads,
        runtime=runtime.name,
        precision=runtime.precision,
        memory=memory,
        predicted_peak=peak,
        smallest_cost=window.cost,
        why=tuple(why),
    )


def _work(runtime: Runtime, examples: Sequence[Example]) -> tuple[Work, int]:
    return lambda: runtime.run(examples), sum(example.cost for example in examples)


def _needed(found: Climb, cost: int, extra: int, held: float) -> int:
    """Expected peak of a whole run at this cost, margin included."""
    peak = found.line.peak(cost)
    waiting = 5 * cost * held
    return int(peak + budget.margin(peak - found.floor) + extra + waiting)


def _bytes_per_cost(window: Example) -> float:
    return sum(array.nbytes for array in window.arrays.values()) / window.cost


def _growth(found: Climb, cost: int) -> str:
    return format_size(max(found.line.peak(cost) - found.floor, 0))
