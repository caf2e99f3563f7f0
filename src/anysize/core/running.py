"""Batches through a runtime: one after another, or side by side where it has streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from anysize.core.examples import Batch, Failure
from anysize.core.steps import Answer, Step


def streams_of(runtime: Any) -> int:
    """How many callers a runtime takes at a time."""
    return int(getattr(runtime, "streams", 1))


def is_packed(runtime: Any) -> bool:
    """Whether padding is free for a runtime: windows run side by side without it."""
    return bool(getattr(runtime, "packed", False))


def is_ragged(runtime: Any) -> bool:
    """Whether padding takes memory but no time: rows of different lengths are not padded."""
    return bool(getattr(runtime, "ragged", False))


def answers_of(
    step: Step,
    runtime: Any,
    batches: Iterable[Batch | Failure],
    *,
    partial: bool = False,
    at_once: bool = False,
) -> Generator[tuple[Batch, Iterable[Answer]] | Failure, None, None]:
    """Each batch with what the step gives for it, in order; failures pass through at once.

    With streams one batch more is under way than there are streams, so that what makes batches
    and what takes the answers work beside the model.

    Args:
        step: what is done with a batch.
        runtime: that has what the step needs.
        batches: in order.
        partial: whether unfinished answers are wanted; those of a runtime with streams come when
            their batch is finished.
        at_once: whether a batch is not to wait for others beside it.
    """
    streams = 1 if at_once else streams_of(runtime)
    if streams == 1:
        for item in batches:
            if isinstance(item, Failure):
                yield item
            else:
                yield item, step.answers(runtime, item.examples, partial=partial)
        return

    def whole(batch: Batch) -> list[Answer]:
        return list(step.answers(runtime, batch.examples, partial=partial))

    with ThreadPoolExecutor(streams, thread_name_prefix="anysize-stream") as pool:
        pending: deque[tuple[Batch, Future[list[Answer]]]] = deque()
        try:
            for item in batches:
                if isinstance(item, Failure):
                    yield item
                    continue
                pending.append((item, pool.submit(whole, item)))
                if len(pending) > streams:
                    batch, future = pending.popleft()
                    yield batch, future.result()
            while pending:
                batch, future = pending.popleft()
                yield batch, future.result()
        finally:
            for _, future in pending:
                future.cancel()


def run_through(step: Step, runtime: Any, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Runs batches for their time alone, and gives each back when it is done."""
    for item in answers_of(step, runtime, batches):
        assert not isinstance(item, Failure)
        batch, answers = item
        for _ in answers:
            pass
        yield batch
