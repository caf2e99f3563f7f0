"""Prediction: examples to batches to runtime to mergers, results in input order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from anysize.core.batches import BatchPlan, batches
from anysize.core.errors import DataError
from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples
from anysize.core.protocols import Merger, Preprocess, Runtime
from anysize.core.receipts import Facts
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.core.running import outputs_of


@dataclass(slots=True)
class _Open:
    """Records under way: mergers that wait for windows, results that wait for their turn.

    ``lost`` has those that failed while windows of theirs are still to come.
    """

    mergers: dict[int, Merger] = field(default_factory=dict)
    expected: dict[int, int] = field(default_factory=dict)
    received: dict[int, int] = field(default_factory=dict)
    facts: dict[int, Facts] = field(default_factory=dict)
    done: dict[int, Result | ErrorResult] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    turn: int = 0

    def see(self, example: Example, new_merger: Callable[[str], Merger]) -> None:
        """Notes an example as it streams past on its way to a batch."""
        ordinal = example.ordinal
        if ordinal in self.lost:
            if example.window.last:
                self.lost.discard(ordinal)
            return
        if ordinal not in self.mergers:
            self.mergers[ordinal] = new_merger(example.window.record)
            self.received[ordinal] = 0
        if example.window.last:
            self.expected[ordinal] = example.window.index + 1
            if example.facts is not None:
                self.facts[ordinal] = example.facts

    def add(self, example: Example, output: dict[str, Any]) -> None:
        """Merges one window's output; the record is done when its last one is in."""
        ordinal = example.ordinal
        if ordinal not in self.mergers:
            return
        self.mergers[ordinal].add(example.window, output)
        self.received[ordinal] += 1
        if self.received[ordinal] == self.expected.get(ordinal):
            result = self.mergers[ordinal].finish()
            if (facts := self.facts.get(ordinal)) is not None:
                result = replace(result, receipt=result.receipt.with_facts(facts))
            self._forget(ordinal)
            self.done[ordinal] = result

    def fail(self, failure: Failure) -> None:
        """A record may fail after some of its windows went through."""
        self._forget(failure.ordinal)
        self.done[failure.ordinal] = ErrorResult(id=failure.record, error=failure.problem)

    def lose(self, example: Example, failure: Failure) -> None:
        """A record fails for one of its windows; others of it may still be on their way."""
        if example.ordinal in self.mergers:
            if example.ordinal not in self.expected:
                self.lost.add(example.ordinal)
            self.fail(failure)

    def _forget(self, ordinal: int) -> None:
        self.mergers.pop(ordinal, None)
        self.expected.pop(ordinal, None)
        self.received.pop(ordinal, None)
        self.facts.pop(ordinal, None)

    def ready(self) -> Iterator[Result | ErrorResult]:
        while self.turn in self.done:
            yield self.done.pop(self.turn)
            self.turn += 1


def _no_number(example: Example, *, strict: bool) -> Failure:
    """The failure of a record for which the model computed infinity or not-a-number.

    Raises:
        DataError: in place of it, where the first failure is to end it all.
    """
    problem = (
        "the model's output is not a number (NaN or infinity): its weights are damaged, or the "
        "input has numbers far larger than it was trained on"
    )
    if strict:
        raise DataError(example.window.record, problem)
    return Failure(ordinal=example.ordinal, record=example.window.record, problem=problem)


def predict(
    source: Source,
    positions: Iterable[Position],
    preprocess: Preprocess,
    runtime: Runtime,
    new_merger: Callable[[str], Merger],
    plan: BatchPlan,
    *,
    strict: bool = False,
    threads: int = 0,
    on_windows: Callable[[int], None] | None = None,
    at_once: Callable[[], bool] = lambda: False,
) -> Iterator[Result | ErrorResult]:
    """One result per position, in order of ``ordinal`` (which must count 0, 1, 2 …).

    A record's windows may share batches with other records' and finish in any order; what is
    held is bounded by the plan's look-ahead.

    Args:
        source: where records come from.
        positions: which records, in which order.
        preprocess: turns a record into its windows' examples.
        runtime: runs the model.
        new_merger: makes the merger of a record from its id.
        plan: how examples become batches.
        strict: stop at the first record that cannot be read.
        threads: reader threads; see ``core.pipeline.examples``.
        on_windows: told how many windows went through the model, for progress.
        at_once: see ``core.batches.batches``.
    """
    state = _Open()

    def seen() -> Iterator[Example | Failure]:
        stream = examples(source, positions, preprocess, strict=strict, threads=threads)
        for item in stream:
            if isinstance(item, Example):
                state.see(item, new_merger)
            yield item

    with contextlib.closing(outputs_of(runtime, batches(seen(), plan, at_once))) as stream:
        for item in stream:
            if isinstance(item, Failure):
                state.fail(item)
            else:
                batch, outputs = item
                sound = outputs.finite()
                for row, example in enumerate(batch.examples):
                    if sound[row]:
                        state.add(example, outputs.row(row))
                    else:
                        state.lose(example, _no_number(example, strict=strict))
                if on_windows is not None:
                    on_windows(len(batch.examples))
            yield from state.ready()
