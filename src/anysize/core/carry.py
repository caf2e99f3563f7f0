"""Records whose windows depend on the results before them: one window of each at a time.

The windows of one record go through in order, each made with the output of the one before;
batches are made of windows of different records. How many records are open is bounded, by number
and by what their windows cost together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from anysize.core.batches import BatchPlan, cut
from anysize.core.errors import DataError
from anysize.core.examples import Batch, Example, Failure
from anysize.core.pipeline import Position, facts_of
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record, Source, record_id
from anysize.core.results import ErrorResult, PartialResult, Result, SettledResult
from anysize.core.steps import Answer
from anysize.core.under_way import UnderWay

MOST_OPEN = 64
"""Records that are open, or whose results wait for their turn, at once."""

_Each: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class _Answers(Protocol):
    def __call__(
        self, stream: Iterable[Batch], took: Callable[[Answer], None]
    ) -> Iterator[Result | ErrorResult | PartialResult | SettledResult]: ...


@dataclass(slots=True)
class _Thread:
    """An open record: the generator of its windows, the one that waits, the output it gave."""

    ordinal: int
    record: Record
    windows: Generator[Example, Mapping[str, Any] | None, None]
    example: Example | None = None
    output: Mapping[str, Any] | None = None
    facts: Facts | None = None

    def advance(self) -> Failure | None:
        """Goes on to the next window, or to the end (no example); a failure is given back."""
        if self.example is not None and self.example.facts is not None:
            self.facts = self.example.facts.joined(self.facts)
        try:
            self.example = self.windows.send(self.output)
        except StopIteration:
            self.example = None
            found = facts_of(self.record)
            self.facts = self.facts if found is None else found.joined(self.facts)
        except DataError as error:
            return Failure(ordinal=self.ordinal, record=self.record.id, problem=str(error))
        self.output = None
        return None


def carried(
    source: Source,
    positions: Iterable[Position],
    preprocess: Preprocess,
    plan: BatchPlan,
    state: UnderWay,
    *,
    cost_of: Callable[[int], int],
    answers: _Answers,
    loaders: int = 0,
    at_once: Callable[[], bool] = lambda: False,
    most_open: int = MOST_OPEN,
) -> Iterator[Result | ErrorResult | PartialResult | SettledResult]:
    """The results of records whose preprocess ``carries``; see ``core.protocols.Preprocess``.

    Args:
        source: where records come from.
        positions: which records, in which order.
        preprocess: turns a record into a generator of its windows' examples.
        plan: how examples become batches.
        state: the mergers.
        cost_of: what an example costs, by its own cost.
        answers: runs batches; gives results, and reports each answer that was merged.
        loaders: in which windows are read; 0 reads in the caller's thread.
        at_once: whether the records that are open are not to wait for more.
        most_open: bound of the records that are held.
    """
    crew = _Crew(source, preprocess, state, cost_of)
    places = iter(positions)
    with ExitStack() as stack:
        stack.callback(crew.close)
        each: _Each = map
        if loaders > 0:
            each = stack.enter_context(ThreadPoolExecutor(loaders)).map
        while True:
            while crew.has_room(plan, most_open):
                if crew.open and at_once():
                    break
                some = list(itertools.islice(places, max(loaders, 1)))
                if not some:
                    break
                crew.take(each(crew.opened, some))
            yield from state.ready()
            if not crew.open:
                return
            waiting = [one.example for one in crew.open.values() if one.example is not None]
            yield from answers(cut(waiting, plan, cost_of), crew.keep)
            crew.move_on(each)
            yield from state.ready()


class _Crew:
    """The records that are open."""

    def __init__(
        self,
        source: Source,
        preprocess: Preprocess,
        state: UnderWay,
        cost_of: Callable[[int], int],
    ) -> None:
        self.open: dict[int, _Thread] = {}
        self._source, self._preprocess, self._state = source, preprocess, state
        self._cost_of = cost_of
        self._next = 0

    def has_room(self, plan: BatchPlan, most: int) -> bool:
        """Whether another record may be opened."""
        # Results that wait for their turn are held too.
        if self._next - self._state.turn >= most:
            return False
        cost = sum(self._cost_of(one.example.cost) for one in self.open.values() if one.example)
        return cost < plan.gathered

    def opened(self, position: Position) -> _Thread | Failure:
        """A record at its first window, or why it cannot be read."""
        try:
            record = self._source[position.index]
        except DataError as error:
            name = record_id(self._source, position.index)
            return Failure(ordinal=position.ordinal, record=name, problem=str(error))
        found = self._begun(position.ordinal, record)
        return found.advance() or found

    def take(self, found: Iterable[_Thread | Failure]) -> None:
        """Holds records that were opened."""
        for one in found:
            self._next = one.ordinal + 1
            self._hold(one)

    def keep(self, answer: Answer) -> None:
        """Notes what a window gave, for the next window of its record."""
        if answer.problem is None:
            self.open[answer.example.ordinal].output = answer.output

    def move_on(self, each: _Each) -> None:
        """Every record that was answered goes on to its next window, its next round or its end."""
        held = list(self.open.values())
        going = [one for one in held if self._state.is_open(one.ordinal)]
        for one in held:
            if not self._state.is_open(one.ordinal):
                self._drop(one)
        for one, failure in zip(going, each(_Thread.advance, going), strict=True):
            self._settle(one, failure)
        while self._state.again:
            ordinal, record = self._state.again.popleft()
            begun = self._begun(ordinal, record)
            self._hold(begun.advance() or begun)

    def close(self) -> None:
        """Closes the generators, so that what they have open is released."""
        for one in list(self.open.values()):
            self._drop(one)

    def _begun(self, ordinal: int, record: Record) -> _Thread:
        windows = self._preprocess(ordinal, record, None)
        if not isinstance(windows, Generator):
            raise TypeError("a preprocess that carries must return a generator")
        return _Thread(ordinal, record, windows)

    def _hold(self, found: _Thread | Failure) -> None:
        if isinstance(found, Failure):
            self._fail(found)
            return
        self.open[found.ordinal] = found
        self._state.begin(found.ordinal, found.record.id)
        self._settle(found, None)

    def _settle(self, one: _Thread, failure: Failure | None) -> None:
        if failure is not None:
            self._drop(one)
            self._fail(failure)
        elif one.example is None:
            self._drop(one)
            self._state.ended(one.ordinal, one.facts)

    def _fail(self, failure: Failure) -> None:
        if self._state.strict:
            raise DataError(failure.record, failure.problem)
        self._state.fail(failure)

    def _drop(self, one: _Thread) -> None:
        one.windows.close()
        del self.open[one.ordinal]
