"""What is said of a table's columns before work starts: what is used how, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from anysize.core.findings import Finding, Findings
from anysize.sources.profile import Column, Profile
from anysize.sources.profile.facts import DATE_FORMS, NUMBER_FORMS

_CODES = {
    "text": "column-free-text",
    "identifier": "column-identifier",
    "constant": "column-constant",
    "list": "column-list",
}
_REMEDIES = {
    "text": "read it with text-classification, --columns text={name}",
    "identifier": "name the columns with --columns features=A+B+C if it is to be used",
    "list": "use time-series-classification, --columns features={name}, for sequences of numbers",
}

_UNITS = "write the numbers alone, all in one unit"
_QUANTITY = re.compile(r"([<>~≈±]=?|[A-Za-z]{1,4}\s)?\s?([-+]?\d[\d.,]*)\s?([^\d\s]{0,10})")
_MOST_ALONE, _SHOWN = 5, 5
_FEWEST = 5
_MOST_UNITS = 3


class ByColumn:
    """Findings about the columns of one table; what is true of many of them is said once."""

    def __init__(self) -> None:
        self._found: dict[str, Findings] = {}

    def of(self, column: str) -> Findings:
        """Takes what there is to say of a column."""
        return self._found.setdefault(column, Findings())

    def shortened(self) -> Iterator[Finding]:
        """All of them, but of more than a few of one kind the first, with how many more."""
        kinds: dict[str, list[tuple[str, Finding]]] = {}
        for column, findings in self._found.items():
            for one in findings:
                kinds.setdefault(one.code, []).append((column, one))
        for several in kinds.values():
            first = several[0][1]
            if len(several) <= _MOST_ALONE:
                yield from (one for _, one in several)
                continue
            yield replace(
                first,
                message=f"{first.message}; so it is with {len(several) - 1:,} more columns",
                count=len(several),
                unit="columns",
                examples=tuple(column for column, _ in several[1 : 1 + _SHOWN]),
            )


def tell(profile: Profile, used: Collection[str], found: ByColumn, where: str) -> None:
    """Adds a finding for each column with something to be said.

    Args:
        profile: of the table.
        used: the columns that are learned from.
        found: takes them.
        where: the table's name.
    """
    for column in profile.columns.values():
        if column.name in used:
            _tell_used(column, found.of(column.name), where)


def tell_left_out(column: Column, findings: Findings, where: str) -> None:
    """Says of a column that it is not learned from, and why."""
    numbers = column.kind == "identifier" and column.facts.low is not None
    some = [_quantity(example.rpartition(": ")[2]) for example in column.facts.examples]
    remedy = _UNITS if all(some) and some else _REMEDIES.get(column.kind, "")
    findings.add(
        "column-row-number" if numbers else _CODES[column.kind],
        f"{where}: the column {column.name!r} is left out: {column.why}",
        unit="columns",
        remedy=remedy.format(name=column.name),
    )


def _tell_used(column: Column, findings: Findings, where: str) -> None:
    facts, named = column.facts, f"{where}: the column {column.name!r}"
    if facts.missing:
        how = (
            "read as a category of their own"
            if column.kind == "category"
            else "filled with the median of the training part and marked"
        )
        findings.add(
            "column-gaps",
            f"{named} has no value in {facts.missing} of {facts.rows} rows; these are {how}",
            level="note",
            count=facts.missing,
            unit="cells",
        )
    if column.odd:
        findings.add(
            "column-odd-cells",
            f"{named} holds {column.odd} cells that are not a {column.kind}; they are read as "
            "missing",
            count=column.odd,
            unit="cells",
            examples=[f"row {example}" for example in facts.examples],
            remedy="correct them, if they hold a value",
        )
    if column.kind == "number":
        _tell_commas(column, findings, named)
    elif column.kind == "date":
        _tell_order(column, findings, named)
    elif column.kind == "category":
        _tell_mixed(column, findings, named)


def _tell_commas(column: Column, findings: Findings, named: str) -> None:
    """Says what commas in numbers are taken for."""
    forms = column.facts.forms
    decimal = column.decimal == ","
    count = forms.get("comma" if decimal else "thousands", 0) + forms.get("either", 0)
    if not count:
        return
    findings.add(
        "column-decimal-comma" if decimal else "column-thousands",
        f"{named} is read with decimal commas (1,5 is one and a half)"
        if decimal
        else f"{named} is read with commas between thousands (50,123 is above fifty thousand)",
        level="note",
        count=count,
        unit="cells",
    )


def _tell_order(column: Column, findings: Findings, named: str) -> None:
    """Says where dates do not show whether day or month comes first, or show both."""
    forms = column.facts.forms
    either, days, months = (forms.get(form, 0) for form in ("either date", "dmy", "mdy"))
    order = "day/month" if column.order == "dmy" else "month/day"
    if days and months:
        findings.add(
            "column-date-order",
            f"{named} has dates with the day first ({days:,}) and with the month first "
            f"({months:,}); it is read as {order}, and what is no date then as missing",
            count=min(days, months) + either,
            unit="cells",
            remedy="write dates as 2024-12-31",
        )
    elif either and not days and not months:
        findings.add(
            "column-date-order",
            f"{named} is read as {order}; its dates could be read either way",
            count=either,
            unit="cells",
            remedy="write dates as 2024-12-31",
        )


def _tell_mixed(column: Column, findings: Findings, named: str) -> None:
    """Says where a category may be meant as a quantity."""
    facts = column.facts
    found = [each for text in facts.values if (each := _quantity(text))]
    numbers, units = ({each[place] for each in found} for place in (0, 1))
    if (
        len(numbers) >= _FEWEST
        and len(units) <= _MOST_UNITS
        and len(found) * 10 >= len(facts.values) * 9
    ):
        findings.add(
            "column-units",
            f"{named} holds numbers with words or signs about them; they are read as categories",
            count=facts.present,
            unit="cells",
            examples=[repr(text) for text in facts.values][:3],
            remedy=_UNITS,
        )
        return
    for kind, forms in (("numbers", NUMBER_FORMS), ("dates", DATE_FORMS)):
        count = sum(facts.forms.get(form, 0) for form in forms)
        if 2 * count >= facts.present and len(facts.values) >= _FEWEST and not facts.zeros:
            others = facts.present - count
            findings.add(
                "column-mixed",
                f"{named} holds {count:,} {kind} and {others:,} other words; all are read as "
                "categories",
                count=others,
                unit="cells",
                examples=[f"row {example}" for example in facts.examples],
                remedy=f"empty the cells that are no {kind}, if it is meant to hold {kind}",
            )
            return


def _quantity(text: str) -> tuple[str, str] | None:
    """A number and the sign or word about it (``12 kg``, ``<5``); None of anything else."""
    found = _QUANTITY.fullmatch(text)
    if found is None or not (found[1] or found[3]):
        return None
    return found[2], (found[1] or "") + found[3].lower()


def no_columns(profile: Profile, names: Collection[str]) -> str:
    """What to say where none of the columns can be learned from."""
    if profile.rows == profile.unread:
        return "has no records" if not profile.rows else "has no row that can be read"
    shown = []
    for name in list(names)[:20]:
        column = profile.columns.get(name)
        shown.append(f"{name!r} ({column.why or column.kind})" if column else repr(name))
    return (
        "has no column that can be learned from: "
        + (", ".join(shown) if shown else "there is none beside the label")
        + ". Name some with --columns features=A+B+C, or one that holds text with "
        "text-classification and --columns text=NAME"
    )
