"""Entities from the tags of tokens, each token taken from the window that owns it.

A word has the tag of its first token, wherever the window ends in which that token is; words are
joined into entities by their tags (``anysize.core.entities``), across windows too. Characters are
those of the text as it was given. What is held while a record is read are the entities found so
far, the one that is open, and windows that came before their turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.activations import softmax
from anysize.core.entities import OUTSIDE, Entity, Found, Tag, begins
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("entities",)


class _Words(NamedTuple):
    """The words that begin in a window's core.

    Attributes:
        tags: places of their tags in the labels.
        scores: probability of each.
        starts, stops: their characters.
        continued: where the characters of the word before end that go on in this core; -1 if none.
    """

    tags: NDArray[np.int64]
    scores: NDArray[np.float64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    continued: int


class EntityMerger:
    """Joins one record's token outputs into its entities.

    The outputs are ``logits`` ``[length, labels]``; beside them are ``first``, the row of the
    region's first token, and for the region's tokens ``offsets`` ``[tokens, 2]`` and ``starts``
    ``[tokens]`` (``anysize.windows.words``).

    Args:
        record: the record's id.
        labels: the tags in the order of the logits.
        unit: what the record's extent counts.
    """

    order_independent = True

    __slots__ = (
        "_before", "_coverage", "_found", "_next", "_open", "_record", "_scores", "_tags",
        "_waiting",
    )  # fmt: skip

    def __init__(self, record: str, labels: Sequence[str], unit: Unit = "tokens") -> None:
        self._record = record
        self._tags = [Tag.of(label) for label in labels]
        self._coverage = Coverage(unit)
        self._waiting: dict[int, _Words] = {}
        self._next = 0
        self._before = Tag(OUTSIDE, "")
        self._open: Entity | None = None
        self._scores: list[float] = []
        self._found: list[Found] = []

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._waiting[window.index] = _words(window, output)
        while self._next in self._waiting:
            self._read(self._waiting.pop(self._next))
            self._next += 1

    def finish(self) -> Result:
        if self._waiting or not self._next:
            raise RuntimeError(f"record {self._record!r} was finished before all of its windows")
        self._close()
        return Result(
            id=self._record,
            prediction=[each.to_json() for each in self._found],
            score=None,
            receipt=self._coverage.receipt("entities", "approximate"),
        )

    def _read(self, words: _Words) -> None:
        if self._open is not None and words.continued > self._open.stop:
            self._open = Entity(self._open.start, words.continued, self._open.label)
        rows = zip(
            words.tags.tolist(), words.scores.tolist(), words.starts.tolist(), words.stops.tolist(),
            strict=True,
        )  # fmt: skip
        for place, score, start, stop in rows:
            tag, before = self._tags[place], self._before
            self._before = tag
            if tag.kind == OUTSIDE:
                self._close()
                continue
            if self._open is None or begins(tag, before):
                self._close()
                self._open = Entity(start, stop, tag.label)
            else:
                self._open = Entity(self._open.start, max(stop, self._open.stop), tag.label)
            self._scores.append(score)

    def _close(self) -> None:
        if self._open is not None:
            self._found.append(Found(self._open, sum(self._scores) / len(self._scores)))
        self._open = None
        self._scores.clear()


def _words(window: Window, output: Mapping[str, Any]) -> _Words:
    region, core = window.region, window.core
    if not isinstance(region, Span) or not isinstance(core, Span):
        raise TypeError("entities are joined over windows of tokens")
    own = slice(core.start - region.start, core.stop - region.start)
    first = int(output["first"])
    offsets, starts = output["offsets"][own], output["starts"][own]
    places = np.flatnonzero(starts)
    if not len(places):
        nothing = np.zeros(0, np.int64)
        return _Words(nothing, np.zeros(0), nothing, nothing, int(offsets[:, 1].max(initial=-1)))
    rows = output["logits"][first + own.start : first + own.stop][places].astype(np.float64)
    tags = rows.argmax(1)
    return _Words(
        tags=tags,
        scores=softmax(rows).max(1),
        starts=offsets[places, 0],
        stops=np.maximum.reduceat(offsets[:, 1], places),
        continued=int(offsets[: places[0], 1].max(initial=-1)),
    )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return EntityMerger(record, labels, unit)
