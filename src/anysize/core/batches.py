"""Batches by cost: examples of many records together, with padding near zero.

Examples are gathered in a look-ahead of bounded cost, sorted by size and cut into batches whose
cost stays under the budget. With ``packed=True`` a batch costs the sum of its examples (segments
side by side); otherwise it costs its longest example times their number (padding included).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Batch, Example, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How examples become batches.

    Attributes:
        budget: the largest cost of one batch (tokens or pixels). An example that alone is over
            it gets a batch of its own.
        packed: whether padding is free (segments side by side) or counted.
        ragged: whether padding takes memory but no time, so that it is counted but not avoided.
        look_ahead: cost gathered before sorting; a small multiple of ``budget``.
        most: the largest number of examples in one batch.
    """

    budget: int
    packed: bool = False
    ragged: bool = False
    look_ahead: int = 0
    most: int = 4096

    def __post_init__(self) -> None:
        problems = []
        if self.budget < 1:
            problems.append(f"batch budget must be at least 1, not {self.budget}")
        if self.look_ahead < 0:
            problems.append(f"look_ahead must not be negative, not {self.look_ahead}")
        if self.most < 1:
            problems.append(f"most must be at least 1, not {self.most}")
        if problems:
            raise ConfigurationError(problems)

    @property
    def gathered(self) -> int:
        """The cost at which the look-ahead is cut into batches."""
        return max(self.look_ahead, self.budget)


# A batch of so much of its budget is closed before padding would waste more than the rest of this.
_FULL_ENOUGH = 0.25
_SHORTEST = 0.85
_HALF = 0.5


def own_cost(own: int) -> int:
    """What an example costs where nothing but the example itself takes memory."""
    return own


def wasteful(own: int, longest: int, cost: int, plan: BatchPlan, whole: int | None = None) -> bool:
    """Whether a batch had better be closed than filled up with what is much shorter.

    Args:
        own: cost of the next example.
        longest: cost of the batch's longest, to which the next would be padded.
        cost: of the batch so far.
        plan: how examples become batches.
        whole: cost of all that there is, where that may be less than the budget: two or three
            batches are made of it, because each costs time of its own.
    """
    if plan.packed or plan.ragged:
        return False
    enough = _FULL_ENOUGH * plan.budget
    if whole is not None:
        enough = min(enough, _HALF * whole)
    return own < _SHORTEST * longest and cost >= enough


def cut(
    examples: Sequence[Example], plan: BatchPlan, cost_of: Callable[[int], int] = own_cost
) -> list[Batch]:
    """Sorts ``examples`` by cost, largest first, and cuts them into batches under the budget.

    Where padding takes time, a batch that is a quarter full takes no example that is much shorter
    than its longest.

    Args:
        examples: in any order.
        plan: how they become batches.
        cost_of: what an example costs, by its own cost; never falling. Of sequences that are
            generated it includes the cache that grows with them; see ``core.steps``.
    """
    batches: list[Batch] = []
    held: list[Example] = []
    cost = longest = 0
    for example in sorted(examples, key=lambda item: -item.cost):
        own = cost_of(example.cost)
        # Sorted: the first held example is the longest, so it sets the padded size.
        grown = cost + (own if plan.packed or not held else longest)
        full = grown > plan.budget or len(held) == plan.most
        if held and (full or wasteful(own, longest, cost, plan)):
            batches.append(Batch(held))
            held, grown = [], own
        if not held:
            longest = own
        held.append(example)
        cost = grown
    if held:
        batches.append(Batch(held))
    return batches


def batches(
    stream: Iterable[Example | Failure],
    plan: BatchPlan,
    at_once: Callable[[], bool] = lambda: False,
    cost_of: Callable[[int], int] = own_cost,
) -> Iterator[Batch | Failure]:
    """Cuts a stream of examples into batches, holding at most the look-ahead.

    Failures pass through at once, in their place in the stream of batches.

    Args:
        stream: the examples.
        plan: how they become batches.
        at_once: asked after each example: whether what is held is not to wait for more.
        cost_of: see `cut`.
    """
    held: list[Example] = []
    cost = 0
    for item in stream:
        if isinstance(item, Failure):
            yield item
        else:
            held.append(item)
            cost += cost_of(item.cost)
        if held and (at_once() or cost >= plan.gathered or len(held) >= 16 * plan.most):
            yield from cut(held, plan, cost_of)
            held, cost = [], 0
    if held:
        yield from cut(held, plan, cost_of)
