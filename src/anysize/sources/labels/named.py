"""A source whose targets are those of a model, however the data spell them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Record, Source, record_id
from anysize.sources.hashes import id_hashes
from anysize.sources.labels.spelling import plain_label
from anysize.sources.labels.targets import spellings, targets
from anysize.sources.subset import Subset

Meaning: TypeAlias = Callable[[Any], Any]
"""From a target as it is spelled, or None, to what a model learns; None where that is nothing."""


class Named:
    """The records of ``source`` with their targets as ``names`` has them.

    Args:
        source: gives targets as they are spelled.
        names: what each of them means (``LabelNames``: the class); None where it means nothing.
        seen: which records have the content of a record that was learned from, where some have.
    """

    def __init__(
        self, source: Source, names: Meaning, seen: NDArray[np.bool_] | None = None
    ) -> None:
        self.source = source
        self.seen = seen
        self._names = names

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record = self.source[index]
        target = self._names(record.target)
        return record if target == record.target else dataclasses.replace(record, target=target)

    def record_id(self, index: int) -> str:
        """As the source gives it."""
        return record_id(self.source, index)

    def id_hashes(self, start: int, stop: int) -> NDArray[np.uint64]:
        """As the source gives them."""
        return id_hashes(self.source, start, stop)

    def targets(self) -> Iterator[Any]:
        """Every record's target in order."""
        return map(self._names, targets(self.source))

    def fingerprint(self) -> str:
        """The source's: the classes are kept elsewhere."""
        return self.source.fingerprint()


class Labelled:
    """Cuts parts of data down to the records that have a target, with what it means.

    Records that cannot be read stay, so that they are counted and named where they are used. The
    labels of a source are read once, however many parts are made of it.

    Args:
        names: what a target means.
        complete: whether it is known that no record lacks a label, so that none is read.
        reading: what makes one spelling of a cell, as in the column's ``ColumnSpec``.
    """

    def __init__(
        self,
        names: Meaning,
        *,
        complete: bool = False,
        reading: Callable[[str], str | None] = plain_label,
    ) -> None:
        self._names = names
        self._reading = reading
        self._complete = complete
        self._masks: dict[int, NDArray[np.bool_]] = {}

    def __call__(self, part: Source) -> Source:
        """The part's records that have a label."""
        if self._complete:
            return Named(part, self._names)
        whole = part.source if isinstance(part, Subset) else part
        if id(whole) not in self._masks:
            self._masks[id(whole)] = self._mask(whole)
        kept = self._masks[id(whole)]
        if isinstance(part, Subset):
            kept = kept[part.members()]
        if not kept.all():
            part = Subset(part, lambda start, stop: kept[start:stop], part.name)
        return Named(part, self._names)

    def _mask(self, source: Source) -> NDArray[np.bool_]:
        classes = (
            cell is None or self._names(self._reading(cell)) is not None
            for cell in spellings(source)
        )
        return np.fromiter(classes, dtype=bool, count=len(source))
