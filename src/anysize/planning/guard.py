"""Watching the memory of a run, and giving way before the budget is passed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np

from anysize.core import memory
from anysize.core.batches import BatchPlan
from anysize.core.examples import Example, Outputs
from anysize.core.memory import format_size
from anysize.core.protocols import Runtime
from anysize.core.running import streams_of

_log = logging.getLogger("anysize")

_LIMIT = 0.94
_NOISE = 1 << 20


class MemoryGuard:
    """Keeps a process inside its budget where the plan alone would not, and says so.

    Plans are predictions, and glibc's heap keeps holes that grow over the first tens of steps
    (its aligned blocks are seldom used again: sourceware bug 14581). So `check`, called before
    every step or batch, gives the holes back to the system whenever the coming step would not fit
    beside them, and halves the cost of batches when the process came near its budget all
    the same. It costs some tens of microseconds.

    Args:
        budget: bytes that this process may use.
        cost: what the plan gives a batch.
        smallest: what the cost is never brought below (one window).
        work: bytes that batches of ``cost`` are expected to need while they run, one in each
            stream.
        limit: part of the budget at which it gives way.
    """

    def __init__(
        self, budget: int, cost: int, smallest: int, work: int, *, limit: float = _LIMIT
    ) -> None:
        self.cost = cost
        self._budget = budget
        self._smallest = smallest
        self._work = work
        self._limit = int(limit * budget)
        self._handled = memory.peak()
        self._tight = False

    def check(self) -> int:
        """The cost that the next batch may have."""
        if memory.resident() + self._work > self._limit:
            memory.trim()
        highest = memory.peak()
        if highest <= max(self._limit, self._handled + _NOISE):
            return self.cost
        self._handled = highest
        smaller = max(self.cost // 2, self._smallest)
        if smaller < self.cost:
            _log.warning(
                "memory has reached %s of %s: batches of %d from now on instead of %d",
                format_size(highest),
                format_size(self._budget),
                smaller,
                self.cost,
            )
            self._work = int(self._work * smaller / self.cost)
            self.cost = smaller
        elif not self._tight:
            self._tight = True
            memory.tighten_heap()
            _log.warning(
                "memory has reached %s of %s with one window at a time: large blocks are given "
                "back at once from now on, which is slower",
                format_size(highest),
                format_size(self._budget),
            )
        elif highest > self._budget:
            _log.warning(
                "memory has reached %s, over the budget of %s, with one window at a time",
                format_size(highest),
                format_size(self._budget),
            )
        return self.cost


class GuardedRuntime:
    """A runtime whose batches shrink when memory runs short.

    Args:
        runtime: what runs the batches.
        guard: asked before each.
        packed: whether padding is free for the runtime.
    """

    def __init__(self, runtime: Runtime, guard: MemoryGuard, *, packed: bool) -> None:
        self.name = runtime.name
        self.precision = runtime.precision
        self.streams = streams_of(runtime)
        self._runtime = runtime
        self._guard = guard
        self._packed = packed
        self._planned = guard.cost
        self._checking = threading.Lock()

    def run(self, examples: Sequence[Example]) -> Outputs:
        """As the runtime does, in as many pieces as the guard asks for."""
        with self._checking:
            allowed = self._guard.check()
        if allowed == self._planned:
            return self._runtime.run(examples)
        plan = BatchPlan(budget=allowed, packed=self._packed)
        pieces = []
        rest = list(examples)
        while rest:
            count = _fitting(rest, plan)
            pieces.append(self._runtime.run(rest[:count]).arrays)
            rest = rest[count:]
        return Outputs({name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]})

    def close(self) -> None:
        """Closes the runtime."""
        self._runtime.close()


def _fitting(examples: Sequence[Example], plan: BatchPlan) -> int:
    """How many of the first examples are a batch; at least one."""
    total = widest = 0
    for count, example in enumerate(examples):
        total += example.cost
        widest = max(widest, example.cost)
        if count and (total if plan.packed else widest * (count + 1)) > plan.budget:
            return count
    return len(examples)
