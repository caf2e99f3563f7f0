"""German: ordinals and dates, money, times, units and abbreviations.

espeak-ng itself reads whole and decimal numbers ("3,50"), percentages and years.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember",
)  # fmt: skip
_ORDINALS = (
    "", "erste", "zweite", "dritte", "vierte", "fünfte", "sechste", "siebte", "achte", "neunte",
    "zehnte", "elfte", "zwölfte", "dreizehnte", "vierzehnte", "fünfzehnte", "sechzehnte",
    "siebzehnte", "achtzehnte", "neunzehnte",
)  # fmt: skip
_TENS = {2: "zwanzigste", 3: "dreißigste"}
_ONES = ("", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
_SHORT = {
    "z. B": "zum Beispiel", "d. h": "das heißt", "u. a": "unter anderem", "usw": "und so weiter",
    "bzw": "beziehungsweise", "ca": "circa", "Nr": "Nummer", "Dr": "Doktor", "Prof": "Professor",
    "Hr": "Herr", "Fr": "Frau", "Str": "Straße", "vgl": "vergleiche", "evtl": "eventuell",
    "ggf": "gegebenenfalls", "inkl": "inklusive", "Mio": "Millionen", "Mrd": "Milliarden",
    "St": "Sankt", "S": "Seite", "Abb": "Abbildung", "v. Chr": "vor Christus",
    "n. Chr": "nach Christus",
}  # fmt: skip
_UNITS = {
    "km/h": "Kilometer pro Stunde", "km": "Kilometer", "cm": "Zentimeter", "mm": "Millimeter",
    "kg": "Kilogramm", "°C": "Grad Celsius", "€": "Euro", "GB": "Gigabyte", "MB": "Megabyte",
}  # fmt: skip
_BEFORE_DATIVE = r"(?:am|im|vom|zum|beim|ab|bis zum|dem|den|seit dem)"


def spoken(text: str) -> str:
    """A sentence with these written out."""
    for pattern, replace in _RULES:
        text = pattern.sub(replace, text)
    return text


def _ordinal(number: int) -> str:
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    one = _ONES[number % 10]
    return (f"{one}und" if one else "") + _TENS[number // 10]


def _day(found: re.Match[str]) -> str:
    before, number, month = found[1] or "", int(found[2]), found[3]
    if not 1 <= number <= 31:
        return found[0]
    ending = "n" if before.strip().lower() in _DATIVES else ""
    return f"{before}{_ordinal(number)}{ending} {month}"


def _numeric(found: re.Match[str]) -> str:
    before, day, month = found[1] or "", int(found[2]), int(found[3])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return found[0]
    ending = "n" if before.strip().lower() in _DATIVES else "r"
    return f"{before}{_ordinal(day)}{ending} {_MONTHS[month - 1]} {found[4]}"


def _iso(found: re.Match[str]) -> str:
    month, day = int(found[2]), int(found[3])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return found[0]
    return f"{_ordinal(day)}r {_MONTHS[month - 1]} {found[1]}"


def _time(found: re.Match[str]) -> str:
    minute = int(found[2])
    return f"{int(found[1])} Uhr" + (f" {minute}" if minute else "")


def _money(found: re.Match[str]) -> str:
    whole, cents = found[1], found[2]
    said = f"{'ein' if whole == '1' else whole} Euro"
    return said if not int(cents) else f"{said} {int(cents)}"


def _unit(found: re.Match[str]) -> str:
    return f"{found[1]} {_UNITS[found[2]]}"


def _any(names: dict[str, str]) -> str:
    return "|".join(
        re.escape(name).replace(r"\ ", r"\s?") for name in sorted(names, key=len, reverse=True)
    )


def _short(found: re.Match[str]) -> str:
    plain = re.sub(r"\.\s?(?=\w)", ". ", found[1])
    return _SHORT[plain]


_DATIVES = frozenset({"am", "im", "vom", "zum", "beim", "ab", "dem", "den", "seit dem", "bis zum"})
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b"), _iso),
    (re.compile(rf"(\b{_BEFORE_DATIVE}\s)?\b(\d\d?)\.\s?(\d\d?)\.\s?(\d{{4}})\b", re.I), _numeric),
    (re.compile(rf"(\b{_BEFORE_DATIVE}\s)?\b(\d\d?)\.\s({'|'.join(_MONTHS)})\b", re.I), _day),
    (re.compile(r"\b(\d{1,3}(?:\.\d{3})*|\d+),(\d\d)\s?€"), _money),
    (re.compile(r"\b([01]?\d|2[0-4]):([0-5]\d)(?:\s?Uhr)?\b"), _time),
    (re.compile(rf"(?<![\w.])({_any(_SHORT)})\.(?=[\s,;:)]|$)"), _short),
    (re.compile(rf"(?<![\w.])(\d[\d,.]*)\s?({_any(_UNITS)})(?![\w/])"), _unit),
    (re.compile(r"\b(\d+)\s?[–-]\s?(?=\d+\b)"), r"\1 bis "),
)  # fmt: skip
