"""English: money, dates, times, years, fractions, ranges, units and abbreviations.

espeak-ng itself reads whole and decimal numbers, ordinals ("3rd"), percentages, "&", "e.g." and
"etc.", and spells what is in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_MONEY = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", ""),
}  # fmt: skip
_SCALES = r"(?:hundred|thousand|million|billion|trillion)"
_UNITS = {
    "km/h": "kilometres per hour", "m/s": "metres per second", "mph": "miles per hour",
    "km": "kilometres", "cm": "centimetres", "mm": "millimetres", "kg": "kilograms",
    "mg": "milligrams", "ml": "millilitres", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "Hz": "hertz", "kW": "kilowatts", "MW": "megawatts", "GB": "gigabytes",
    "MB": "megabytes", "kB": "kilobytes", "TB": "terabytes", "GiB": "gibibytes",
    "MiB": "mebibytes", "°C": "degrees Celsius", "°F": "degrees Fahrenheit",
}  # fmt: skip
# With a point, before what they belong to.
_TITLES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missis", "Ms": "Miz", "Prof": "Professor",
    "St": "Saint", "Gen": "General", "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant",
    "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honourable", "Gov": "Governor",
    "Sen": "Senator", "Rep": "Representative", "Mt": "Mount", "Ft": "Fort",
}  # fmt: skip
_SHORT = {
    "vs": "versus", "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited",
    "Co": "Company", "Corp": "Corporation", "Bros": "Brothers", "approx": "approximately",
    "dept": "department", "Dept": "Department", "est": "established", "i.e": "that is",
}  # fmt: skip
_NUMBERED = {
    "No": "number", "Nos": "numbers", "Fig": "figure", "Figs": "figures", "Vol": "volume",
    "Ch": "chapter", "pp": "pages", "p": "page", "Sec": "section", "Eq": "equation",
}  # fmt: skip
_FRACTIONS = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter",
    "3/4": "three quarters", "1/8": "one eighth",
}  # fmt: skip
_DATED = "|".join(month[:3] for month in _MONTHS if month != "May") + "|Sept"
_YEAR = r"(1[1-9]\d\d|20[1-9]\d)"


def spoken(text: str) -> str:
    """A sentence with these written out."""
    for pattern, replace in _RULES:
        text = pattern.sub(replace, text)
    return text


def _date(found: re.Match[str]) -> str:
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return found[0]
    return f"{_MONTHS[month - 1]} {_ordinal(day)}, {_year(str(year))}"


def _ordinal(day: int) -> str:
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _year(year: str) -> str:
    """A year as it is said: in two halves, but for those of 2000 to 2009."""
    first, last = year[:2], year[2:]
    if first == "20" and last[0] == "0":
        return year
    if last == "00":
        return f"{first} hundred"
    return f"{first} oh {last[1]}" if last[0] == "0" else f"{first} {last}"


def _years(found: re.Match[str]) -> str:
    return f"{found[1]}{_year(found[2])}"


def _span(found: re.Match[str]) -> str:
    return f"{_year(found[1])} to {_year(found[2])}"


def _decade(found: re.Match[str]) -> str:
    tens = {
        "0": "hundreds", "1": "tens", "2": "twenties", "3": "thirties", "4": "forties",
        "5": "fifties", "6": "sixties", "7": "seventies", "8": "eighties", "9": "nineties",
    }  # fmt: skip
    if found[1] == "20" and found[2] == "0":
        return "two thousands"
    return f"{found[1]} {tens[found[2]]}"


def _money(found: re.Match[str]) -> str:
    one, part = _MONEY[found[1]]
    whole, cents, scale = found[2], found[3], found[4]
    if scale or (cents and (len(cents) != 2 or not part)):
        amount = whole if not cents else f"{whole}.{cents}"
        return f"{amount}{' ' + scale if scale else ''} {_several(one)}"
    said = f"{whole} {one if whole == '1' else _several(one)}"
    if not cents or not int(cents):
        return said
    number = int(cents)
    named = part if number == 1 else {"penny": "pence"}.get(part, f"{part}s")
    return f"{number} {named}" if whole == "0" else f"{said} and {number} {named}"


def _several(currency: str) -> str:
    return currency if currency == "yen" else f"{currency}s"


def _time(found: re.Match[str]) -> str:
    hour, minute = found[1], found[2]
    half = f" {found[3][0].upper()} M" if found[3] else ""
    if minute == "00":
        return f"{int(hour)}{half or (' o’clock' if 0 < int(hour) < 13 else ' hundred hours')}"
    return f"{int(hour)} {'oh ' if minute[0] == '0' else ''}{int(minute)}{half}"


def _named(names: dict[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda found: names[found[1]]


def _any(names: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


def _unit(found: re.Match[str]) -> str:
    unit = _UNITS[found[2]]
    one = found[1] == "1"
    return f"{found[1]} {_singular(unit) if one else unit}"


def _singular(unit: str) -> str:
    first, _, rest = unit.partition(" ")
    short = first.removesuffix("s") if not first.endswith("hertz") else first
    return f"{short} {rest}".strip()


def _month(found: re.Match[str]) -> str:
    return next(month for month in _MONTHS if month.startswith(found[1][:3]))


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b"), _date),
    (re.compile(rf"([$€£¥])\s?(\d[\d,]*)(?:\.(\d+))?(?:\s({_SCALES}))?\b"), _money),
    (re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?:\s?([ap]\.?m)\b\.?)?(?!:?\d)", re.I), _time),
    (re.compile(rf"\b({_DATED})\.(?=\s\d)"), _month),
    (re.compile(rf"\b({_any(_TITLES)})\.(?=\s[A-Z])"), _named(_TITLES)),
    (re.compile(rf"\b({_any(_NUMBERED)})\.(?=\s?\d)"), _named(_NUMBERED)),
    (re.compile(rf"\b({_any(_SHORT)})\.(?=[\s,;:)]|$)"), _named(_SHORT)),
    (re.compile(rf"(?<![\d/])({_any(_FRACTIONS)})(?![\d/])"), _named(_FRACTIONS)),
    (re.compile(rf"(?<![\w.])(\d[\d,.]*)\s?({_any(_UNITS)})(?![\w/])"), _unit),
    (re.compile(r"\b(1[1-9]|20)(\d)0s\b"), _decade),
    (re.compile(r"(?<![\w.-])(1[1-9]\d\d|20\d\d)\s?[–-]\s?(1[1-9]\d\d|20\d\d)(?![\w-])"), _span),
    (re.compile(r"(?<![\w.–-])(\d+)\s?[–-]\s?(?=\d+\b(?![-–]\d))"), r"\1 to "),
    (re.compile(r"#(?=\d)"), "number "),
    (re.compile(rf"(\b(?:in|since|of|by|from|to|until|before|after|around|year|{'|'.join(_MONTHS)}"
                rf")\s(?:\d\d?(?:st|nd|rd|th)?,\s)?){_YEAR}\b(?![,.]?\d)"), _years),
)  # fmt: skip
