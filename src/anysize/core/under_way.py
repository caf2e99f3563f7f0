"""Records under way in a prediction: their mergers, and results that wait for their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from anysize.core.errors import DataError
from anysize.core.examples import Example, Failure
from anysize.core.places import Finder, located
from anysize.core.protocols import Merger, Settling, Showing
from anysize.core.receipts import Facts, Receipt
from anysize.core.records import Record
from anysize.core.results import (
    ErrorResult,
    NextRound,
    PartialResult,
    Result,
    SettledResult,
)
from anysize.core.steps import Answer

MOST_ROUNDS = 16
"""Rounds after which a record that is still not finished fails."""


@dataclass(slots=True)
class _Open:
    """One record: the merger of its present round, and what is known of the rounds before.

    ``place`` is that of the record as it was given: its characters are what results name.
    """

    record: str
    merger: Merger
    received: int = 0
    expected: int | None = None
    facts: Facts | None = None
    receipts: list[Receipt] = field(default_factory=list)
    place: Finder | None = None
    parts: int = 0


@dataclass(slots=True)
class UnderWay:
    """What is held of the records of a prediction until their results have been given.

    Args:
        new_merger: makes the merger of a record from its id.
        strict: raise the first failure.
        most_rounds: see ``MOST_ROUNDS``.
        one_by_one: whether no window of a record is made before the one before has its output, so
            that none is on its way when the record fails.
        live: give what is settled of a record as it comes; see ``core.protocols.Settling``.

    Attributes:
        again: records that are to be read in a further round, with their ordinals.
        turn: the ordinal whose result is given next.
    """

    new_merger: Callable[[str], Merger]
    strict: bool = False
    most_rounds: int = MOST_ROUNDS
    one_by_one: bool = False
    live: bool = False
    again: deque[tuple[int, Record]] = field(default_factory=deque)
    turn: int = 0
    _open: dict[int, _Open] = field(default_factory=dict)
    _done: dict[int, Result | ErrorResult] = field(default_factory=dict)
    _settled: deque[SettledResult] = field(default_factory=deque)
    # Failed while windows of theirs are still to come.
    _lost: set[int] = field(default_factory=set)

    def see(self, example: Example) -> None:
        """Notes an example as it streams past on its way to a batch."""
        ordinal, window = example.ordinal, example.window
        if ordinal in self._lost:
            if window.last:
                self._lost.discard(ordinal)
            return
        entry = self._open.get(ordinal) or self.begin(ordinal, window.record)
        if window.last:
            entry.expected = window.index + 1
            entry.facts = example.facts

    def begin(self, ordinal: int, record: str) -> _Open:
        """A record whose windows will come; one that is in a further round goes on."""
        entry = self._open.get(ordinal)
        if entry is None:
            entry = self._open[ordinal] = _Open(record, self.new_merger(record))
        return entry

    def add(self, answer: Answer) -> None:
        """Merges one window's output; the round is done when its last one is in."""
        example = answer.example
        entry = self._open.get(example.ordinal)
        if entry is None:
            return
        if answer.problem is not None:
            self._lose(example.ordinal, answer.problem)
            return
        try:
            entry.merger.add(example.window, answer.output)
            entry.received += 1
            if self.live:
                self._settle(entry)
            if entry.received == entry.expected:
                self._finish(example.ordinal, entry)
        except DataError as error:
            if self.strict:
                raise
            self._lose(example.ordinal, str(error))

    def _settle(self, entry: _Open) -> None:
        assert isinstance(entry.merger, Settling)
        found = entry.merger.settled()
        if found is None:
            return
        prediction, details = found
        self._settled.append(
            SettledResult(id=entry.record, part=entry.parts, prediction=prediction, details=details)
        )
        entry.parts += 1

    def settled(self) -> Iterator[SettledResult]:
        """What was settled since this was asked last, in order."""
        while self._settled:
            yield self._settled.popleft()

    def ended(self, ordinal: int, facts: Facts | None) -> None:
        """There are no further windows of a record, all of whose outputs have been added."""
        entry = self._open.get(ordinal)
        if entry is None:
            return
        entry.facts = facts
        try:
            self._finish(ordinal, entry)
        except DataError as error:
            if self.strict:
                raise
            self.fail(Failure(ordinal=ordinal, record=entry.record, problem=str(error)))

    def fail(self, failure: Failure) -> None:
        """A record ends in a failure; no further window of it comes."""
        ordinal = failure.ordinal
        entry = self._open.pop(ordinal, None)
        if ordinal in self._lost:
            self._lost.discard(ordinal)
            return
        # In a further round the id is that of the record as it was given.
        name = failure.record if entry is None else entry.record
        self._done[ordinal] = ErrorResult(id=name, error=failure.problem)

    def is_open(self, ordinal: int) -> bool:
        """Whether a record has neither a result nor failed."""
        return ordinal in self._open

    def shown(self, answer: Answer) -> PartialResult | None:
        """What the record's merger shows of an output before it is added."""
        example = answer.example
        entry = self._open.get(example.ordinal)
        if entry is None or answer.problem is not None or not isinstance(entry.merger, Showing):
            return None
        found = entry.merger.partial(example.window, answer.output)
        if found is None:
            return None
        return PartialResult(
            id=entry.record,
            partial=found,
            window=example.window.index,
            round=len(entry.receipts),
        )

    def ready(self) -> Iterator[Result | ErrorResult]:
        """The results whose turn it is, in input order."""
        while self.turn in self._done:
            yield self._done.pop(self.turn)
            self.turn += 1

    def _lose(self, ordinal: int, problem: str) -> None:
        """A record fails for one of its windows; others of it may still be on their way."""
        entry = self._open.pop(ordinal)
        if self.strict:
            raise DataError(entry.record, problem)
        if entry.expected is None and not self.one_by_one:
            self._lost.add(ordinal)
        self._done[ordinal] = ErrorResult(id=entry.record, error=problem)

    def _finish(self, ordinal: int, entry: _Open) -> None:
        found = entry.merger.finish()
        receipt = found.receipt
        if entry.facts is not None:
            receipt = receipt.with_facts(entry.facts)
            if not entry.receipts:
                entry.place = entry.facts.place
        entry.receipts.append(receipt)
        if isinstance(found, NextRound):
            if len(entry.receipts) == self.most_rounds:
                raise DataError(
                    entry.record, f"is not finished after {self.most_rounds} rounds of reading"
                )
            entry.merger = self.new_merger(found.record.id)
            entry.received, entry.expected, entry.facts = 0, None, None
            self.again.append((ordinal, found.record))
            return
        del self._open[ordinal]
        if len(entry.receipts) > 1:
            first, *later = entry.receipts
            found = replace(found, id=entry.record, receipt=first.with_rounds(later))
        elif entry.facts is not None:
            found = replace(found, receipt=receipt)
        if self.live:
            found = replace(found, details={**found.details, "parts": entry.parts})
        self._done[ordinal] = located(found, entry.place)
