"""The labels of a whole source, counted in one pass as they are written in the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.sources.labels.spelling import plain_label
from anysize.sources.labels.targets import spellings
from anysize.sources.subset import Subset

MOST_CELLS = 200_000
"""Different spellings that are counted at most; behind that the rest is one number."""

_NAMED = 5


class Counts(Protocol):
    """Counts the cells of targets, one after the other."""

    def add(self, index: int, cell: str | None) -> None: ...


AnyTally = TypeVar("AnyTally", bound=Counts)


@dataclass(slots=True)
class Tally:
    """What one pass over the labels found.

    Attributes:
        records: all of them.
        cells: records by label as it is written.
        first: where each spelling comes first.
        empty: records whose cell holds nothing.
        unreadable: records that cannot be read.
        faults: where the first of those are.
        more: records with further spellings, beyond the first ``MOST_CELLS``.
    """

    records: int = 0
    cells: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    empty: int = 0
    unreadable: int = 0
    faults: list[int] = field(default_factory=list)
    more: int = 0

    def add(self, index: int, cell: str | None) -> None:
        """Counts a record's cell: empty where it has no label, None where it cannot be read."""
        self.records += 1
        if cell is None:
            self.unreadable += 1
            if len(self.faults) < _NAMED:
                self.faults.append(index)
        elif not cell:
            self.empty += 1
        elif cell in self.first or len(self.first) < MOST_CELLS:
            self.cells[cell] += 1
            self.first.setdefault(cell, index)
        else:
            self.more += 1

    def plain(self) -> dict[str, int]:
        """Records by plain label."""
        found: Counter[str] = Counter()
        for cell, label in self.labels():
            if label is not None:
                found[label] += self.cells[cell]
        return dict(found)

    def labels(self) -> Iterator[tuple[str, str | None]]:
        """Each spelling with its plain label."""
        return ((cell, plain_label(cell)) for cell in self.cells)


def tally(source: Source, found: AnyTally) -> AnyTally:
    """Counts the targets of a source; bounded, whatever the source's length.

    Args:
        source: the records.
        found: takes what is counted.
    """
    for index, cell in enumerate(_cells(source)):
        found.add(index, cell)
    return found


def tally_parts(
    source: Source, parts: Mapping[str, Subset], new: Callable[[], AnyTally]
) -> dict[str, AnyTally]:
    """Counts the targets of several parts of a source in one pass over it.

    The places that are counted are those in ``source``.

    Args:
        source: the records.
        parts: of it.
        new: makes what counts those of a part.
    """
    of_record = np.full(len(source), len(parts), dtype=np.uint8)
    for place, part in enumerate(parts.values()):
        of_record[part.members()] = place
    found = [new() for _ in range(len(parts) + 1)]
    for index, cell in enumerate(_cells(source)):
        found[of_record[index]].add(index, cell)
    return dict(zip(parts, found, strict=False))


def tallied_parts(
    parts: Mapping[str, Source], new: Callable[[], AnyTally]
) -> dict[str, tuple[AnyTally, Source]]:
    """What is counted in each part, and the source whose places are counted; each is read once.

    Args:
        parts: by name.
        new: makes what counts those of a part.
    """
    groups: dict[int, tuple[Source, dict[str, Source]]] = {}
    for name, part in parts.items():
        source = part.source if isinstance(part, Subset) else part
        groups.setdefault(id(source), (source, {}))[1][name] = part
    found: dict[str, tuple[AnyTally, Source]] = {}
    for source, several in groups.values():
        cut = {name: part for name, part in several.items() if isinstance(part, Subset)}
        each = tally_parts(source, cut, new) if cut else {}
        each |= {name: tally(source, new()) for name in several if name not in cut}
        found |= {name: (each[name], source) for name in several}
    return found


def joined(tallies: Iterable[Tally]) -> Tally:
    """The counts of several parts of one source together."""
    whole = Tally()
    for each in tallies:
        whole.records += each.records
        whole.cells.update(each.cells)
        whole.empty += each.empty
        whole.unreadable += each.unreadable
        whole.faults = sorted([*whole.faults, *each.faults])[:_NAMED]
        whole.more += each.more
        for cell, index in each.first.items():
            whole.first[cell] = min(index, whole.first.get(cell, index))
    return whole


def _cells(source: Source) -> Iterator[str | None]:
    return counted(spellings(source), f"reading the labels of {source.name}", len(source))
