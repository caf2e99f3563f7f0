"""One worker's records in the order of training, read ahead by threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples
from anysize.core.protocols import Preprocess
from anysize.core.records import Record, Source
from anysize.tasks.protocols import Task
from anysize.training.order import Block, Cursor, Order

TARGET = "target"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Adds the encoded target to every example, so that a bad label fails like a bad file."""

    preprocess: Preprocess
    task: Task
    labels: Sequence[str]

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        target = np.asarray(self.task.encode_target(record, self.labels))
        for example in self.preprocess(ordinal, record, draw):
            yield dataclasses.replace(example, arrays={**example.arrays, TARGET: target})


class UnreadableError(Exception):
    """A record could not be read to its end."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.problem)
        self.failure = failure


@dataclass(slots=True)
class Arrival:
    """A record that has come.

    Attributes:
        position: its place in the epoch's order, and its index.
        held: its first windows; all of them where ``complete``.
        rest: the windows after the held ones. Must be consumed before the next arrival; raises
            `UnreadableError`.
    """

    position: Position
    held: list[Example]
    complete: bool
    rest: Iterator[Example]

    @property
    def record(self) -> str:
        return self.held[0].window.record

    @property
    def target(self) -> Any:
        value = self.held[0].arrays[TARGET]
        return value.item() if value.ndim == 0 else value


class Stream:
    """The arrivals of one worker, step after step, epoch after epoch.

    Args:
        source: where records come from.
        preprocess: a `Labelled` one.
        order: which records when.
        worker, workers: whose share.
        loaders: reader threads; they do not change what comes, only when.
        hold: cost of windows that are held of one record; longer ones come in pieces.
        strict: stop at the first record that cannot be read.
    """

    def __init__(
        self,
        source: Source,
        preprocess: Preprocess,
        order: Order,
        *,
        worker: int,
        workers: int,
        loaders: int,
        hold: int,
        strict: bool,
    ) -> None:
        self._source = source
        self._preprocess = preprocess
        self._order = order
        self._share = (worker, workers)
        self._loaders = loaders
        self._hold = hold
        self._strict = strict
        self._items: Iterator[Example | Failure] | None = None
        self._next: tuple[int, int] | None = None
        self.taken: list[int] = []

    def take(self, block: Block) -> Iterator[Arrival | Failure]:
        """This worker's records of one step, in order; ``taken`` lists their indices."""
        self.taken = []
        if self._items is None or self._next != (block.epoch, block.start):
            self._open(block)
        assert self._items is not None
        permutation = self._order.permutation(block.epoch)
        indices = permutation.block(block.start, block.stop)
        for place in block.share(*self._share):
            position = Position(place, int(indices[place - block.start]))
            self.taken.append(position.index)
            yield self._arrival(position)
        self._next = (block.epoch, block.stop)

    def again(self, position: Position, epoch: int) -> Iterator[Example]:
        """A record's windows once more, exactly as they were."""
        return self._preprocess(position.ordinal, self._source[position.index], epoch)

    def close(self) -> None:
        """Ends the reader threads."""
        items, self._items = self._items, None
        if items is not None:
            items.close()  # type: ignore[attr-defined]

    def _open(self, block: Block) -> None:
        self.close()
        cursor = Cursor(epoch=block.epoch, place=block.start, step=block.step)
        self._items = examples(
            self._source,
            (Position(*pair) for pair in self._order.indices(cursor, *self._share)),
            self._preprocess,
            draw=block.epoch,
            strict=self._strict,
            loaders=self._loaders,
        )

    def _arrival(self, position: Position) -> Arrival | Failure:
        held: list[Example] = []
        cost = 0
        rest = self._windows(position)
        try:
            for example in rest:
                held.append(example)
                cost += example.cost
                if cost > self._hold and not example.window.last:
                    return Arrival(position, held, False, rest)
        except UnreadableError as failed:
            return failed.failure
        return Arrival(position, held, True, rest)

    def _windows(self, position: Position) -> Iterator[Example]:
        assert self._items is not None
        for item in self._items:
            if item.ordinal != position.ordinal:
                raise RuntimeError(f"expected place {position.ordinal}, found {item.ordinal}")
            if isinstance(item, Failure):
                raise UnreadableError(item)
            yield item
            if item.window.last:
                return
