"""Dates and times in cells of tables."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias

Order: TypeAlias = Literal["ymd", "dmy", "mdy"]

DateForm: TypeAlias = Literal["ymd", "dmy", "mdy", "either"]
"""In which order a date is written; ``either`` could be ``dmy`` or ``mdy`` (``03/04/2024``)."""

_TIME = (
    r"(?:[T\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)
_NUMERIC = re.compile(r"(?P<a>\d{1,4})(?P<sign>[-/.])(?P<b>\d{1,2})(?P=sign)(?P<c>\d{1,4})" + _TIME)
_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_NAMED = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(?:(?P<day>\d{1,2})[-\s.]+(?P<month>[A-Za-z]{3,9})"
    r"|(?P<month2>[A-Za-z]{3,9})\.?\s+(?P<day2>\d{1,2})),?[-\s.,]+(?P<year>\d{4})" + _TIME
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date_form(text: str) -> DateForm | None:
    """In which order a date is written; None for what is none."""
    found = _NUMERIC.fullmatch(text.strip())
    if found is None:
        return "ymd" if _named(text) is not None else None
    if len(found["a"]) == 4:
        return "ymd" if moment(text) is not None else None
    if len(found["c"]) not in (2, 4):
        return None
    forms: list[Order] = [order for order in ("dmy", "mdy") if moment(text, order) is not None]
    return "either" if len(forms) == 2 else forms[0] if forms else None


def moment(cell: Any, order: Order = "ymd") -> datetime | None:
    """A cell as a moment, in UTC where it names a zone; None where it is none.

    Args:
        cell: of any type.
        order: of day and month, where the year does not come first.
    """
    if isinstance(cell, datetime):
        return cell if cell.tzinfo is not None else cell.replace(tzinfo=UTC)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    found = _NUMERIC.fullmatch(text)
    if found is None:
        return _named(text)
    a, b, c = int(found["a"]), int(found["b"]), int(found["c"])
    if len(found["a"]) == 4:
        return _built(a, b, c, found)
    if len(found["c"]) not in (2, 4):
        return None
    # POSIX: years of two digits are of 1969 to 2068.
    year = c if len(found["c"]) == 4 else c + (1900 if c >= 69 else 2000)
    return _built(year, a, b, found) if order == "mdy" else _built(year, b, a, found)


def seconds(when: datetime) -> float:
    """Seconds since 1970."""
    return (when - _EPOCH) / timedelta(seconds=1)


def _named(text: str) -> datetime | None:
    found = _NAMED.fullmatch(text.strip())
    if found is None:
        return None
    month = _MONTHS.get((found["month"] or found["month2"]).lower())
    if month is None:
        return None
    return _built(int(found["year"]), month, int(found["day"] or found["day2"]), found)


def _built(year: int, month: int, day: int, found: re.Match[str]) -> datetime | None:
    hour = int(found["hour"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"][0] in "Pp" else 0)
    try:
        when = datetime(
            year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0),
            tzinfo=_zone(found["zone"]),
        )  # fmt: skip
        return when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if not text or text in ("Z", "UTC"):
        return UTC
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-size if text[0] == "-" else size)
