"""A batch that is grown to its full size within a few steps, to see what all of them would take."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.runtimes.decoding import Cached

_TIMED = 2
STEPS = 1 + 2 * _TIMED
"""Steps of a rehearsal: the first tokens, some with a short cache and some with a long one."""


class Moment(NamedTuple):
    """A point in time, by the clock and by what this process was given of the processors."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> Moment:
        """This one."""
        return cls(time.perf_counter(), time.process_time())

    def until(self, later: Moment) -> float:
        """Seconds of work up to another.

        Work that keeps a processor busy takes no less of its time than of the clock's. Where it
        took less, other programs had the processor, and this would make large batches look slow:
        those of few rows are often done between two interruptions.
        """
        clock, processor = later.clock - self.clock, later.processor - self.processor
        return clock if torch.cuda.is_available() else min(clock, processor)


class Rehearsed:
    """A batch under generation for `STEPS` steps; see ``decoding.Cached``.

    Args:
        batch: that has read the prompts.
        tokens: by which its cache is grown in the middle.
    """

    def __init__(self, batch: Cached, tokens: int) -> None:
        self._batch, self._tokens = batch, tokens
        self.logits = batch.logits
        self._begun = Moment.now()
        self._starts: list[Moment] = []
        self._middle = self._begun

    def seconds(self, steps: int) -> float:
        """What so many steps take, whose cache grows from the first to the last."""
        now = Moment.now()
        if len(self._starts) <= _TIMED:
            return self._begun.until(now)
        short = self._starts[0].until(self._middle) / _TIMED
        long = self._starts[_TIMED].until(now) / (len(self._starts) - _TIMED)
        return self._begun.until(self._starts[0]) + (short + long) / 2 * (steps - 1)

    @property
    def length(self) -> int:
        """See `Cached`."""
        return self._batch.length

    def size(self) -> int:
        """See `Cached`."""
        return self._batch.size()

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """See `Cached`."""
        self._batch.begin(arrays)

    def begin_empty(self) -> None:
        """See `Cached`."""
        self._batch.begin_empty()

    def advance(self, tokens: Tensor) -> Tensor:
        """See `Cached`; in the middle the cache is stretched."""
        if len(self._starts) == _TIMED:
            self._middle = Moment.now()
            self._batch.stretch(self._tokens)
        self._starts.append(Moment.now())
        return self._batch.advance(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`."""
        self._batch.keep(rows)

    def reorder(self, rows: Tensor) -> None:
        """See `Cached`."""
        self._batch.reorder(rows)

    def stretch(self, tokens: int) -> None:
        """See `Cached`."""
        self._batch.stretch(tokens)
