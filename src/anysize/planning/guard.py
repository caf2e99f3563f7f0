"""Watching the memory of a run, and giving way before the budget is passed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from anysize.core import memory
from anysize.core.examples import Example
from anysize.core.memory import format_size
from anysize.core.steps import Ability, Answer, Step

_log = logging.getLogger("anysize")

_LIMIT = 0.94
_NOISE = 1 << 20
# Holes beyond those that a batch leaves, which the next one fills again.
_HOLES = 16 << 20
_SELDOM = 50


class MemoryGuard:
    """Keeps a process inside its budget where the plan alone would not, and says so.

    Plans are predictions, and glibc's heap keeps holes that grow over the first tens of steps
    (its aligned blocks are seldom used again: sourceware bug 14581). So `check`, called before
    every step or batch, gives the holes back to the system whenever the coming step would not fit
    beside them, or they have grown since what a single batch leaves behind, so that a long run
    takes hardly more than a short one. It halves the cost of batches when the process came near
    its budget all the same. It costs some tens of microseconds; giving back takes some
    milliseconds, and is done so seldom that it takes no more than a fiftieth of the time.

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
        # What was held when holes were last given back, and what a batch left after that; checks
        # find both.
        self._settled: int | None = None
        self._left: int | None = None
        self._not_before = 0.0

    def check(self) -> int:
        """The cost that the next batch may have."""
        resident = memory.resident()
        if resident + self._work > self._limit or self._has_holes(resident):
            started = time.monotonic()
            memory.trim()
            now = time.monotonic()
            self._not_before = now + _SELDOM * (now - started)
            self._settled, self._left = memory.resident(), None
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

    def _has_holes(self, resident: int) -> bool:
        """Whether more is held than what a batch leaves, and it is time to give it back."""
        if self._settled is None:
            self._settled = resident
        elif self._left is None:
            self._left = max(resident - self._settled, 0)
        else:
            grown = resident > self._settled + self._left + _HOLES
            return grown and time.monotonic() >= self._not_before
        return False


class GuardedStep:
    """A step whose batches shrink when memory runs short.

    Args:
        step: what is done with a batch.
        guard: asked before each.
        packed: whether padding is free for the runtime.
    """

    def __init__(self, step: Step, guard: MemoryGuard, *, packed: bool) -> None:
        self._step = step
        self._guard = guard
        self._packed = packed
        self._planned = guard.cost
        self._checking = threading.Lock()

    @property
    def needs(self) -> Ability:
        """As the step."""
        return self._step.needs

    def cost(self, own: int) -> int:
        """As the step."""
        return self._step.cost(own)

    def answers(
        self, runtime: Any, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """As the step gives them, in as many pieces as the guard asks for."""
        rest = list(examples)
        while rest:
            count = self._fitting(rest)
            yield from self._step.answers(runtime, rest[:count], partial=partial)
            rest = rest[count:]

    def rehearse(self, runtime: Any, examples: Sequence[Example]) -> float | None:
        """As the step."""
        return self._step.rehearse(runtime, examples)

    def _fitting(self, examples: Sequence[Example]) -> int:
        """How many of the first examples are a batch now; at least one."""
        with self._checking:
            allowed = self._guard.check()
        if allowed == self._planned:
            return len(examples)
        total = widest = 0
        for count, example in enumerate(examples):
            own = self._step.cost(example.cost)
            total += own
            widest = max(widest, own)
            if count and (total if self._packed else widest * (count + 1)) > allowed:
                return count
        return len(examples)
