"""Prediction: examples to batches to the task's step to mergers, results in input order.

The task's step (``core.steps``) says what is done with a batch: one run of the model, or a
generation. Around it are two loops. *Rounds*: a merger may give a new record in place of a result;
it is read in turn with the others, and its result has the receipts of all rounds. *Carry*
(``core.carry``): where a window depends on the result of the one before, a record's windows go
through one after the other, batched with those of other records.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from anysize.core.batches import BatchPlan, batches
from anysize.core.carry import carried
from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples, examples_of
from anysize.core.protocols import Merger, Preprocess
from anysize.core.records import Source
from anysize.core.results import ErrorResult, PartialResult, Result, SettledResult
from anysize.core.running import answers_of
from anysize.core.steps import ONE_RUN, Step
from anysize.core.under_way import MOST_ROUNDS, UnderWay


def predict(
    source: Source,
    positions: Iterable[Position],
    preprocess: Preprocess,
    runtime: Any,
    new_merger: Callable[[str], Merger],
    plan: BatchPlan,
    *,
    step: Step = ONE_RUN,
    strict: bool = False,
    loaders: int = 0,
    on_windows: Callable[[int], None] | None = None,
    at_once: Callable[[], bool] = lambda: False,
    most_rounds: int = MOST_ROUNDS,
) -> Iterator[Result | ErrorResult]:
    """One result per position, in order of ``ordinal`` (which must count 0, 1, 2 …).

    A record's windows may share batches with other records' and finish in any order; what is
    held is bounded by the plan's look-ahead.

    Args:
        source: where records come from.
        positions: which records, in which order.
        preprocess: turns a record into its windows' examples.
        runtime: has the model, and what the step needs.
        new_merger: makes the merger of a record from its id.
        plan: how examples become batches.
        step: what is done with a batch.
        strict: stop at the first record that cannot be read.
        loaders: reader threads; see ``core.pipeline.examples``.
        on_windows: called with how many windows went through the model, for progress.
        at_once: see ``core.batches.batches``.
        most_rounds: rounds after which a record that is still not finished fails.
    """
    # Without partial results there are none among the results.
    return cast(
        Iterator[Result | ErrorResult],
        predict_stream(
            source,
            positions,
            preprocess,
            runtime,
            new_merger,
            plan,
            step=step,
            strict=strict,
            loaders=loaders,
            on_windows=on_windows,
            at_once=at_once,
            most_rounds=most_rounds,
            partial=False,
        ),
    )


def predict_stream(
    source: Source,
    positions: Iterable[Position],
    preprocess: Preprocess,
    runtime: Any,
    new_merger: Callable[[str], Merger],
    plan: BatchPlan,
    *,
    step: Step = ONE_RUN,
    strict: bool = False,
    loaders: int = 0,
    on_windows: Callable[[int], None] | None = None,
    at_once: Callable[[], bool] = lambda: False,
    most_rounds: int = MOST_ROUNDS,
    partial: bool = True,
    live: bool = False,
) -> Iterator[Result | ErrorResult | PartialResult | SettledResult]:
    """As `predict`, with the same arguments, and partial results between, as they come.

    Partial results are of any record that is under way (results stay in input order), and none of
    them is held. Where ``partial`` is false there are none. Where ``live`` is true, what is settled
    of a record is given at once and let go, and its result has what is left; the mergers are
    ``core.protocols.Settling``.
    """
    carries = bool(getattr(preprocess, "carries", False))
    state = UnderWay(new_merger, strict=strict, most_rounds=most_rounds, one_by_one=carries)
    state.live = live
    flow = _Flow(state, step, runtime, on_windows, partial)
    if carries:
        yield from carried(
            source,
            positions,
            preprocess,
            plan,
            state,
            cost_of=step.cost,
            answers=flow.answers,
            loaders=loaders,
            at_once=at_once,
        )
        return
    stream: Iterator[Example | Failure] = examples(
        source, positions, preprocess, strict=strict, loaders=loaders
    )
    while True:
        seen = _seen(stream, state, preprocess, strict)
        yield from flow.answers(batches(seen, plan, at_once, step.cost))
        if not state.again:
            return
        # What is left are further rounds of the last records.
        stream = iter(())


@dataclass(frozen=True, slots=True)
class _Flow:
    """From batches to results."""

    state: UnderWay
    step: Step
    runtime: Any
    on_windows: Callable[[int], None] | None
    partial: bool

    def answers(
        self, stream: Iterable[Any], took: Callable[[Any], None] | None = None
    ) -> Iterator[Result | ErrorResult | PartialResult | SettledResult]:
        """The results that batches lead to, when it is their turn.

        Args:
            stream: batches and failures.
            took: called with each finished answer that was merged.
        """
        state = self.state
        flow = answers_of(self.step, self.runtime, stream, partial=self.partial, at_once=state.live)
        with contextlib.closing(flow):
            for item in flow:
                if isinstance(item, Failure):
                    state.fail(item)
                    yield from state.ready()
                    continue
                batch, answers = item
                for answer in answers:
                    if self.partial and (shown := state.shown(answer)) is not None:
                        yield shown
                    if answer.finished:
                        state.add(answer)
                        yield from state.settled()
                        if took is not None:
                            took(answer)
                        if self.partial:
                            yield from state.ready()
                if self.on_windows is not None:
                    self.on_windows(len(batch.examples))
                yield from state.ready()


def _seen(
    stream: Iterator[Example | Failure], state: UnderWay, preprocess: Preprocess, strict: bool
) -> Iterator[Example | Failure]:
    """The examples of the stream, noted, and those of further rounds as soon as there are any."""
    for item in _with_rounds(stream, state, preprocess, strict):
        if isinstance(item, Example):
            state.see(item)
        yield item


def _with_rounds(
    stream: Iterator[Example | Failure], state: UnderWay, preprocess: Preprocess, strict: bool
) -> Iterator[Example | Failure]:
    while True:
        while state.again:
            ordinal, record = state.again.popleft()
            yield from examples_of(ordinal, record, preprocess, strict=strict)
        item = next(stream, None)
        if item is None:
            return
        yield item
