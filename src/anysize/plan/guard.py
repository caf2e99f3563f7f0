"""Watching the memory of a run, and giving way before the budget is passed."""

from __future__ import annotations

import logging
import time

from anysize.core import memory
from anysize.core.memory import format_size

_log = logging.getLogger("anysize")

_LIMIT = 0.92
_SECONDS = 0.1
_NOISE = 1 << 20


class MemoryGuard:
    """Halves the cost of batches when the process comes near its budget, and says so.

    Plans are predictions. `check` is called once a step or batch; it costs some tens of
    microseconds at most ten times a second.

    Args:
        budget: bytes that this process may use.
        cost: what the plan gives a batch.
        smallest: what the cost is never brought below (one window).
        limit: part of the budget at which it gives way.
    """

    def __init__(
        self, budget: int, cost: int, smallest: int, *, limit: float = _LIMIT
    ) -> None:
        self.cost = cost
        self._budget = budget
        self._smallest = smallest
        self._limit = int(limit * budget)
        self._handled = 0
        self._due = 0.0

    def check(self) -> int:
        """The cost that the next batch may have."""
        now = time.monotonic()
        if now < self._due:
            return self.cost
        self._due = now + _SECONDS
        highest = memory.peak()
        if highest <= max(self._limit, self._handled + _NOISE):
            return self.cost
        self._handled = highest
        memory.trim()
        smaller = max(self.cost // 2, self._smallest)
        if smaller < self.cost:
            _log.warning(
                "memory has reached %s of %s: batches of %d from now on instead of %d",
                format_size(highest),
                format_size(self._budget),
                smaller,
                self.cost,
            )
            self.cost = smaller
        elif highest > self._budget:
            _log.warning(
                "memory has reached %s, over the budget of %s, with one window at a time",
                format_size(highest),
                format_size(self._budget),
            )
        return self.cost
