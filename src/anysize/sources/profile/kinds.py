"""What kind of column it is, and whether it can be learned from: decided by all rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from anysize.readers.dates import Order
from anysize.readers.values import Decimal
from anysize.sources.profile.facts import DATE_FORMS, MOST_VALUES, NUMBER_FORMS, Facts

ColumnKind: TypeAlias = Literal[
    "number", "category", "boolean", "date", "text", "identifier", "constant", "list"
]

USABLE: tuple[ColumnKind, ...] = ("number", "category", "boolean", "date")
"""Kinds that a model of tables learns from."""

_MOST = 0.9
"""The part of a column's cells that must have a form for the column to be of its kind."""

# Of a table of more values than are counted one by one there are estimates, 3 % off or so.
_ALL_DIFFERENT, _ALL_ESTIMATED = 0.98, 0.9
_FEW_ROWS = 10
_LONG, _MANY_BLANKS = 60, 5
# A name in which "id" or the like is a word of its own: PassengerId, row_id, "Unnamed: 0".
_NAMES_ROWS = re.compile(
    r"(^|[\W_])(id|ids|idx|index|uid|uuid|guid|key|row|nr|no)\d*$|[a-z](Id|ID|Key|Index|Nr|No)$"
    r"|^unnamed: ?\d+$|^$",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table, understood.

    Attributes:
        name: in the header.
        kind: see ``ColumnKind``.
        why: why it is not learned from; empty where it is.
        decimal: the decimal mark of its numbers.
        order: of day and month in its dates.
        odd: cells that are neither missing nor of the column's kind.
        facts: what was counted.
    """

    name: str
    kind: ColumnKind
    why: str = ""
    decimal: Decimal = "."
    order: Order = "ymd"
    odd: int = 0
    facts: Facts

    @property
    def usable(self) -> bool:
        return self.kind in USABLE

    @property
    def is_of_numbers(self) -> bool:
        """Whether it holds numbers, learned from or not."""
        return self.facts.low is not None and self.kind in ("number", "identifier", "constant")


def column_of(name: str, facts: Facts, *, commas: bool = False) -> Column:
    """What the counts of a column say.

    Args:
        name: of the column.
        facts: its counts.
        commas: whether commas are decimal where nothing in the column itself says so.
    """
    if not facts.present:
        return Column(name=name, kind="constant", why="all its cells are empty", facts=facts)
    if facts.share("list") > 1 - _MOST:
        return Column(name=name, kind="list", why="its cells hold lists or objects", facts=facts)
    if facts.distinct == 1 and not facts.missing and facts.rows > 1:
        return Column(name=name, kind="constant", why="it has one value alone", facts=facts)
    if facts.share(*NUMBER_FORMS) >= _MOST and not facts.zeros:
        return _numbers(name, facts, commas)
    if facts.share("boolean") >= _MOST:
        return Column(name=name, kind="boolean", odd=_odd(facts, "boolean"), facts=facts)
    if facts.share(*DATE_FORMS) >= _MOST:
        day_first = facts.forms.get("dmy", 0) >= facts.forms.get("mdy", 0)
        sure = facts.forms.get("dmy", 0) or facts.forms.get("mdy", 0)
        order: Order = "dmy" if day_first and sure else "mdy" if sure else _usual_order(facts)
        odd = _odd(facts, *DATE_FORMS)
        return Column(name=name, kind="date", order=order, odd=odd, facts=facts)
    return _words(name, facts)


def comma_is_decimal(facts: Facts) -> bool:
    """Whether a column surely has decimal commas, and none of the other kind."""
    forms = facts.forms
    return facts.share(*NUMBER_FORMS) >= _MOST and forms.get("comma", 0) > forms.get(
        "thousands", 0
    ) + forms.get("point", 0)


def _numbers(name: str, facts: Facts, commas: bool) -> Column:
    decimal: Decimal = "."
    forms = facts.forms
    if comma_is_decimal(facts) or (
        commas and not forms.get("thousands", 0) + forms.get("point", 0)
    ):
        decimal = ","
    whole = facts.whole == facts.present and decimal == "."
    why = ""
    if whole and facts.low is not None and facts.high is not None:
        every = _all_different(facts)
        # Shuffled numbers of rows fill their range without a gap.
        dense = facts.high - facts.low + 1 <= facts.present / _ALL_DIFFERENT
        named = _NAMES_ROWS.search(name.strip()) or _NAMES_ROWS.search(name.strip().lower())
        if named and every:
            why = "its numbers say which row it is"
        elif every and facts.rows >= _FEW_ROWS and not facts.missing and (facts.counting or dense):
            why = "it numbers the rows"
    return Column(
        name=name,
        kind="identifier" if why else "number",
        why=why,
        decimal=decimal,
        odd=_odd(facts, *NUMBER_FORMS),
        facts=facts,
    )


def _words(name: str, facts: Facts) -> Column:
    words = max(facts.forms.get("word", 0), 1)
    long = facts.characters / words > _LONG or facts.blanks / words >= _MANY_BLANKS
    every = facts.present > 1 and _all_different(facts)
    if long and facts.distinct > min(facts.present / 10, 100):
        return Column(name=name, kind="text", why="it is free text", facts=facts)
    if every:
        if facts.blanks / words < 1:
            return Column(
                name=name, kind="identifier", why="each row has a value of its own", facts=facts
            )
        return Column(name=name, kind="text", why="it is free text", facts=facts)
    if facts.distinct > max(MOST_VALUES, facts.present / 4) or facts.distinct > facts.present / 1.5:
        return Column(
            name=name,
            kind="identifier" if facts.blanks / words < 1 else "text",
            why=f"it has about {facts.distinct} different values in {facts.present} rows",
            facts=facts,
        )
    return Column(name=name, kind="category", facts=facts)


def _all_different(facts: Facts) -> bool:
    return facts.distinct >= (_ALL_ESTIMATED if facts.many else _ALL_DIFFERENT) * facts.present


def _usual_order(facts: Facts) -> Order:
    """Of dates that can be read either way: by the sign between, as it is most often used."""
    if not facts.forms.get("either date", 0):
        return "ymd"
    # 03/04/2024 is written so in the United States; 03.04.2024 and 03-04-2024 elsewhere.
    return "mdy" if any("/" in value for value in list(facts.values)[:5]) else "dmy"


def _odd(facts: Facts, *forms: str) -> int:
    return facts.present - sum(facts.forms.get(form, 0) for form in forms)
