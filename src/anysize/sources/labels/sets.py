"""Sets of labels: several for each record, in a list, in one cell with signs between, or none.

Lists are those of JSON and of Python (``["a", "b"]``); an empty list says that a record has none of
the labels, and an empty cell that nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anysize.sources.labels.spelling import ALWAYS_MISSING, LabelNames, listed, plain_label

SEPARATORS = ("|", ";", ",")
"""Signs between labels that are found by themselves, the surest first."""

_NAMED = 5
_MOST_CELLS = 200_000


def plain_set(cell: str) -> str | None:
    """A cell of labels without blanks around; None where it says nothing. ``[]`` says none."""
    text = cell.strip()
    return None if text.casefold() in ALWAYS_MISSING else text


def parts_of(cell: str, separator: str) -> list[str]:
    """The plain labels of a cell, each once, in its order.

    Args:
        cell: as it is written.
        separator: of labels where a cell is not a list; empty for one label.
    """
    found = listed(cell.strip())
    if found is None:
        found = cell.split(separator) if separator else [cell]
    labels = (plain_label(part) for part in found)
    return list(dict.fromkeys(label for label in labels if label is not None))


def separator_of(cells: Iterable[str]) -> str:
    """The separator of labels in cells that are not lists; empty where there is none.

    The first of ``SEPARATORS`` that is in some cells, and cuts them so that at least half of the
    labels come again in another cell.
    """
    texts = {cell.strip() for cell in cells if listed(cell.strip()) is None}
    for separator in SEPARATORS:
        joined = [text for text in texts if separator in text]
        parts = Counter(label.casefold() for text in texts for label in parts_of(text, separator))
        again = sum(1 for count in parts.values() if count > 1)
        if len(joined) > 1 and 2 * again >= len(parts):
            return separator
    return ""


@dataclass(frozen=True)
class LabelSets:
    """From a target as it is spelled to the labels that it means.

    Attributes:
        names: by which labels are known.
        separator: of labels in a cell.
    """

    names: LabelNames
    separator: str = ""

    def __call__(self, target: object) -> tuple[str, ...] | None:
        if isinstance(target, tuple):
            return target
        if not isinstance(target, str) or plain_set(target) is None:
            return None
        known = (self.names(label) for label in parts_of(target, self.separator))
        return tuple(dict.fromkeys(name for name in known if name is not None))


@dataclass(slots=True)
class SetTally:
    """What one pass over the cells of a target found.

    Attributes:
        records: all of them.
        cells: records by cell; of very many different ones the first.
        empty: records that say nothing.
        unreadable, faults: records that cannot be read, and where the first are.
    """

    records: int = 0
    cells: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    unreadable: int = 0
    faults: list[int] = field(default_factory=list)
    more: int = 0

    def add(self, index: int, cell: str | None) -> None:
        """Counts a record's cell; None where it cannot be read."""
        self.records += 1
        if cell is None:
            self.unreadable += 1
            self.faults += [index] if len(self.faults) < _NAMED else []
        elif plain_set(cell) is None:
            self.empty += 1
        elif cell in self.cells or len(self.cells) < _MOST_CELLS:
            self.cells[cell] += 1
        else:
            self.more += 1

    def labels(self, separator: str) -> Counter[str]:
        """Records by plain label."""
        found: Counter[str] = Counter()
        for cell, count in self.cells.items():
            for label in parts_of(cell, separator):
                found[label] += count
        return found

    def named(self, sets: LabelSets) -> Counter[str]:
        """Records by the names of the labels."""
        found: Counter[str] = Counter()
        for cell, count in self.cells.items():
            for label in sets(cell) or ():
                found[label] += count
        return found


def lists_in(cells: Mapping[str, int] | Sequence[str]) -> list[str]:
    """The cells that are lists of more than one label."""
    return [cell for cell in cells if len(listed(cell) or ()) > 1]
