"""A source whose targets are the classes of a model, however the data spell them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Record, Source, record_id
from anysize.sources.hashes import id_hashes
from anysize.sources.labels import LabelNames, plain_label
from anysize.sources.subset import Subset
from anysize.sources.targets import spellings, targets


class Named:
    """The records of ``source`` with their targets as ``names`` has them.

    Args:
        source: gives plain labels.
        names: the classes.
        seen: which records have the content of a record that was learned from, where some have.
    """

    def __init__(
        self, source: Source, names: LabelNames, seen: NDArray[np.bool_] | None = None
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

    def targets(self) -> Iterator[str | None]:
        """Every record's class in order."""
        return map(self._names, targets(self.source))

    def fingerprint(self) -> str:
        """The source's: the classes are kept elsewhere."""
        return self.source.fingerprint()


def labelled(source: Source, names: LabelNames) -> Source:
    """The records of ``source`` that have a label, with the class that it means.

    Records that cannot be read stay, so that they are counted and named where they are used.
    """
    kept = np.fromiter(
        (cell is None or names(plain_label(cell)) is not None for cell in spellings(source)),
        dtype=bool,
        count=len(source),
    )
    if not kept.all():
        source = Subset(source, lambda start, stop: kept[start:stop], source.name)
    return Named(source, names)
