"""What is said of a table's columns before work starts: what is used how, and what is left out."""

from __future__ import annotations

from collections.abc import Collection

from anysize.core.findings import Findings
from anysize.sources.profile import Column, Profile

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


def tell(profile: Profile, used: Collection[str], findings: Findings, where: str) -> None:
    """Adds a finding for each column with something to be said.

    Args:
        profile: of the table.
        used: the columns that are learned from.
        findings: takes them.
        where: the table's name.
    """
    for column in profile.columns.values():
        if column.name in used:
            _tell_used(column, findings, where)


def tell_left_out(column: Column, findings: Findings, where: str) -> None:
    """Says of a column that it is not learned from, and why."""
    numbers = column.kind == "identifier" and column.facts.low is not None
    findings.add(
        "column-row-number" if numbers else _CODES[column.kind],
        f"{where}: the column {column.name!r} is left out: {column.why}",
        unit="columns",
        remedy=_REMEDIES.get(column.kind, "").format(name=column.name),
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
    if column.kind == "number" and column.decimal == ",":
        findings.add(
            "column-decimal-comma",
            f"{named} is read with decimal commas (1,5 is one and a half)",
            level="note",
            count=facts.forms.get("comma", 0) + facts.forms.get("either", 0),
            unit="cells",
        )
    elif column.kind == "number" and (facts.forms.get("thousands") or facts.forms.get("either")):
        findings.add(
            "column-thousands",
            f"{named} is read with commas between thousands (50,123 is above fifty thousand)",
            level="note",
            count=facts.forms.get("thousands", 0) + facts.forms.get("either", 0),
            unit="cells",
        )
    either = facts.forms.get("either date", 0)
    if (
        column.kind == "date"
        and either
        and not facts.forms.get("dmy")
        and not facts.forms.get("mdy")
    ):
        order = "day/month" if column.order == "dmy" else "month/day"
        findings.add(
            "column-date-order",
            f"{named} is read as {order}; its dates could be read either way",
            count=either,
            unit="cells",
            remedy="write dates as 2024-12-31",
        )


def no_columns(profile: Profile, names: Collection[str]) -> str:
    """What to say where none of the columns can be learned from."""
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
