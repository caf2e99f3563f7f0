"""The one generator that training and prediction both draw examples from."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from anysize.core.errors import DataError
from anysize.core.examples import Example, Failure
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record, Source, record_id


@dataclass(frozen=True, slots=True)
class Position:
    """A record's position: ``ordinal`` in this run, ``index`` in its source."""

    ordinal: int
    index: int


def examples(
    source: Source,
    positions: Iterable[Position],
    preprocess: Preprocess,
    *,
    draw: int | None = None,
    strict: bool = False,
    loaders: int = 0,
    ahead: int = 32,
) -> Iterator[Example | Failure]:
    """Examples of the records at ``positions``, record after record, windows in order.

    A record that cannot be read becomes a ``Failure`` (with ``strict`` the error is raised).

    Args:
        source: where records come from.
        positions: which records, in which order.
        preprocess: turns a record into its windows' examples.
        draw: epoch number in training, None in prediction; see ``Preprocess``.
        strict: stop at the first record that cannot be read.
        loaders: reader threads; 0 reads in the caller's thread. Order and content do not depend
            on it.
        ahead: with threads, how many records may be under way at once, at least 2. Each reader
            holds at most ``FIRST`` windows of a record; the rest of a long record is read, as many
            at a time, while the caller works on those before. So memory stays bounded by
            ``ahead * FIRST`` windows.
    """
    if loaders <= 0:
        for position in positions:
            yield from _guarded(source, position, preprocess, draw, strict)
        return
    with ThreadPoolExecutor(loaders, thread_name_prefix="anysize-reader") as pool:
        pending: deque[Future[_Head]] = deque()
        try:
            for position in positions:
                pending.append(pool.submit(_head, source, position, preprocess, draw, strict))
                # The one that is drained counts for two.
                if len(pending) >= ahead - 1:
                    yield from pending.popleft().result().drain(pool)
            while pending:
                yield from pending.popleft().result().drain(pool)
        finally:
            for future in pending:
                future.cancel()


FIRST = 8


@dataclass(frozen=True, slots=True)
class _Head:
    """A record's first windows, and the generator of the rest."""

    first: list[Example | Failure]
    rest: Iterator[Example | Failure] | None

    def drain(self, pool: Executor) -> Iterator[Example | Failure]:
        """All windows; the next ones are read in the pool while some are worked on."""
        some, rest = self.first, self.rest
        while rest is not None:
            coming = pool.submit(_next, rest)
            yield from some
            some, rest = coming.result()
        yield from some


def _head(
    source: Source, position: Position, preprocess: Preprocess, draw: int | None, strict: bool
) -> _Head:
    return _Head(*_next(_guarded(source, position, preprocess, draw, strict)))


def _next(
    stream: Iterator[Example | Failure],
) -> tuple[list[Example | Failure], Iterator[Example | Failure] | None]:
    """The next windows of a record, and the stream if there may be more."""
    some = list(itertools.islice(stream, FIRST))
    return some, stream if len(some) == FIRST else None


def _guarded(
    source: Source, position: Position, preprocess: Preprocess, draw: int | None, strict: bool
) -> Iterator[Example | Failure]:
    try:
        record = source[position.index]
    except DataError as error:
        if strict:
            raise
        # Not the file that the error names: each of its records is one that fails.
        name = record_id(source, position.index)
        yield Failure(ordinal=position.ordinal, record=name, problem=str(error))
        return
    yield from examples_of(position.ordinal, record, preprocess, draw=draw, strict=strict)


def examples_of(
    ordinal: int,
    record: Record,
    preprocess: Preprocess,
    *,
    draw: int | None = None,
    strict: bool = False,
) -> Iterator[Example | Failure]:
    """Examples of one record, windows in order, the last with what reading it showed.

    Args:
        ordinal: of the record in this run.
        record: that is read.
        preprocess: turns it into its windows' examples.
        draw: see `examples`.
        strict: raise what cannot be read, in place of a ``Failure``.
    """
    try:
        for example in preprocess(ordinal, record, draw):
            yield _with_facts(example, record) if example.window.last else example
    except DataError as error:
        if strict:
            raise
        yield Failure(ordinal=ordinal, record=record.id, problem=str(error))


def facts_of(record: Record) -> Facts | None:
    """What a record's fields have to say once they are read."""
    facts: Facts | None = None
    for field in record.fields.values():
        notes = getattr(field, "notes", None)
        counts = getattr(field, "counts", None)
        if notes is not None or counts is not None:
            found = Facts(
                notes=notes() if notes else (),
                counts=counts() if counts else {},
                place=getattr(field, "place", None),
            )
            facts = found.joined(facts)
    return facts


def _with_facts(example: Example, record: Record) -> Example:
    facts = facts_of(record)
    return example if facts is None else replace(example, facts=facts.joined(example.facts))
