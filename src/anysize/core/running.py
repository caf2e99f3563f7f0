"""Batches through a runtime: one after another, or side by side where it has streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from anysize.core.examples import Batch, Failure, Outputs
from anysize.core.protocols import Runtime


def streams_of(runtime: Runtime) -> int:
    """How many callers a runtime takes at a time."""
    return int(getattr(runtime, "streams", 1))


def is_packed(runtime: Runtime) -> bool:
    """Whether padding is free for a runtime: windows run side by side without it."""
    return bool(getattr(runtime, "packed", False))


def outputs_of(
    runtime: Runtime, batches: Iterable[Batch | Failure]
) -> Generator[tuple[Batch, Outputs] | Failure, None, None]:
    """Each batch with what the runtime gives for it, in order; failures pass through at once.

    With streams one batch more is under way than there are streams, so that what makes batches
    and what takes the outputs work beside the model.
    """
    streams = streams_of(runtime)
    if streams == 1:
        for item in batches:
            yield item if isinstance(item, Failure) else (item, runtime.run(item.examples))
        return
    with ThreadPoolExecutor(streams, thread_name_prefix="anysize-stream") as pool:
        pending: deque[tuple[Batch, Future[Outputs]]] = deque()
        try:
            for item in batches:
                if isinstance(item, Failure):
                    yield item
                    continue
                pending.append((item, pool.submit(runtime.run, item.examples)))
                if len(pending) > streams:
                    batch, future = pending.popleft()
                    yield batch, future.result()
            while pending:
                batch, future = pending.popleft()
                yield batch, future.result()
        finally:
            for _, future in pending:
                future.cancel()
