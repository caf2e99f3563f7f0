"""Target columns of numbers: which cells are numbers, and how they are spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anysize.core.findings import Findings
from anysize.core.records import Source, record_id
from anysize.readers.values import Decimal, is_missing, number, number_form
from anysize.sources.labels.findings import short, tell_unreadable

MOST_KEPT = 1 << 17
"""Numbers of which the median is taken, drawn evenly from all of them where there are more."""

_NAMED = 5
_BLOCK = 8192


def plain_number(cell: str) -> str | None:
    """A cell without blanks around; None where it holds no value."""
    return None if is_missing(cell) else cell.strip()


@dataclass(frozen=True, slots=True)
class Reading:
    """How the cells of a target become numbers.

    Attributes:
        decimal: the decimal mark.
    """

    decimal: Decimal = "."

    def __call__(self, target: object) -> float | None:
        return number(target, self.decimal)


class Moments:
    """Mean, variance, range and a sample of a stream of numbers (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0
        self.low, self.high = float("inf"), float("-inf")
        self._block: list[float] = []
        self._kept: NDArray[np.float64] = np.empty(0)
        self._keys: NDArray[np.float64] = np.empty(0)
        self._draws = np.random.default_rng(0)

    def add(self, value: float) -> None:
        """Takes one number."""
        self._block.append(value)
        if len(self._block) == _BLOCK:
            self._settle()

    def _settle(self) -> None:
        if not self._block:
            return
        values = np.array(self._block)
        self._block = []
        more, own = len(values), float(values.mean())
        gap = own - self.mean
        self.squares += float(((values - own) ** 2).sum())
        self.squares += gap**2 * self.count * more / (self.count + more)
        self.mean += gap * more / (self.count + more)
        self.count += more
        self.low, self.high = (
            min(self.low, float(values.min())),
            max(self.high, float(values.max())),
        )
        # The numbers with the smallest random keys are an even sample of all that came.
        self._kept = np.concatenate([self._kept, values])
        self._keys = np.concatenate([self._keys, self._draws.random(more)])
        if len(self._kept) > 2 * MOST_KEPT:
            chosen = np.argpartition(self._keys, MOST_KEPT)[:MOST_KEPT]
            self._kept, self._keys = self._kept[chosen], self._keys[chosen]

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        self._settle()
        return float(np.sqrt(self.squares / max(self.count, 1)))

    @property
    def median(self) -> float:
        """Of all numbers, or of a sample where they are very many."""
        self._settle()
        return float(np.median(self._kept)) if len(self._kept) else 0.0


@dataclass(slots=True)
class NumberTally:
    """What one pass over the cells of a target found.

    Attributes:
        records: all of them.
        forms: how the numbers are written.
        empty: records without a value.
        odd: records whose cell is not a number, and where the first of them are.
        unreadable: records that cannot be read.
        points, commas: the numbers with decimal points, and with decimal commas.
    """

    records: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    odd: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    unreadable: int = 0
    faults: list[int] = field(default_factory=list)
    points: Moments = field(default_factory=Moments)
    commas: Moments = field(default_factory=Moments)

    def add(self, index: int, cell: str | None) -> None:
        """Counts a record's cell; None where it cannot be read."""
        self.records += 1
        if cell is None:
            self.unreadable += 1
            self.faults += [index] if len(self.faults) < _NAMED else []
            return
        if is_missing(cell):
            self.empty += 1
            return
        value = number(cell)
        if value is None:
            self.odd += 1
            self.examples += [(index, cell)] if len(self.examples) < _NAMED else []
            return
        form = number_form(cell) or "plain"
        self.forms[form] += 1
        self.points.add(value)
        other = value if form in ("plain", "thousands") else number(cell, ",")
        self.commas.add(value if other is None else other)

    def decimal(self, otherwise: Decimal = ".") -> Decimal:
        """The decimal mark, by how most of the numbers are surely written."""
        comma, point = self.forms["comma"], self.forms["thousands"] + self.forms["point"]
        if not comma and not point:
            return otherwise
        return "," if comma > point else "."

    def moments(self, decimal: Decimal) -> Moments:
        """How the numbers are spread."""
        return self.commas if decimal == "," else self.points


def tell(found: NumberTally, source: Source, decimal: Decimal, findings: Findings) -> None:
    """Says what is odd about the cells of a target: missing ones, words, decimal commas."""
    where = short(source)
    tell_unreadable(found.unreadable, found.faults, source, findings)
    if found.empty:
        findings.add(
            "targets-missing",
            f"{where}: records without a target are left out",
            count=found.empty,
            unit="records",
            remedy="fill in the number, or name the right column with --columns target=NAME"
            if found.empty == found.records
            else "",
        )
    if found.odd:
        findings.add(
            "targets-no-numbers",
            f"{where}: records whose target is not a number are left out",
            count=found.odd,
            unit="records",
            examples=[f"{record_id(source, index)}: {cell!r}" for index, cell in found.examples],
            remedy="write numbers, or leave these cells empty",
        )
    if decimal == ",":
        findings.add(
            "targets-decimal-comma",
            f"{where}: the target is read with decimal commas (1,5 is one and a half)",
            level="note",
            count=found.forms["comma"] + found.forms["either"],
            unit="records",
        )
    elif found.forms["thousands"] or found.forms["either"]:
        findings.add(
            "targets-thousands",
            f"{where}: the target is read with commas between thousands (50,123 is above fifty "
            "thousand)",
            level="note",
            count=found.forms["thousands"] + found.forms["either"],
            unit="records",
        )


def name_of_target(source: Source, otherwise: str) -> str:
    """The column that the target comes from, of the first table of a source."""
    whole: object = source
    while (inner := getattr(whole, "source", None)) is not None:
        whole = inner
    parts = getattr(whole, "parts", ())
    if parts:
        return name_of_target(parts[0], otherwise)
    roles: Mapping[str, str] = getattr(whole, "roles", {})
    role = getattr(whole, "target_role", None)
    return roles.get(role or "", otherwise)
