"""One cell of a table as a value: a number, yes or no, or missing. Dates are in ``dates``."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, TypeAlias

Decimal: TypeAlias = Literal[".", ","]
"""The decimal mark of a number."""

NumberForm: TypeAlias = Literal["plain", "point", "comma", "thousands", "either"]
"""How a number is written: ``plain`` digits; with a decimal ``point``; with a decimal ``comma``;
with commas between ``thousands``; or so that a comma could be ``either`` (``1,234``)."""

NULLS = frozenset({"", "nan", "-nan", "<na>", "#n/a", "#na", "nat", "null"})
"""What programs write for a value that is not there, in lower case: it is never anything else."""

WORDS = frozenset({"none", "na", "n/a", "-", "--", "?"})
"""What people write for it. As a label such a word may also be a class (``sources.labels``)."""

MISSING = NULLS | WORDS | {".", "nil", "(null)", "missing"}
"""What means that a cell which is learned from holds no value, in lower case."""

LARGEST = 3e38
"""Of float32, nearly: numbers beyond it have no value."""

_BOOLEANS = {
    "true": True, "false": False, "yes": True, "no": False, "y": True, "n": False, "t": True,
    "f": False, "on": True, "off": False,
}  # fmt: skip
_NUMBER = re.compile(
    r"""[+-]?(?P<whole>\d{1,3}(?:(?P<between>[ ,.'_])\d{3})(?:(?P=between)\d{3})*|\d+|)
    (?P<decimals>[.,]\d*)?(?:[eE][+-]?\d{1,3})?""",
    re.VERBOSE,
)
_AROUND = "$€£¥₹%‰ \t\u00a0\u202f"
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
_GROUPED = re.compile(r"[+-]?\d{1,3}\.\d{3}")
_REMOVED = {".": str.maketrans("", "", ", '_"), ",": str.maketrans("", "", ". '_")}


def is_missing(cell: Any) -> bool:
    """Whether a cell holds no value: empty, null, not a number, or a word for it."""
    if isinstance(cell, str):
        return cell in MISSING or cell.strip().lower() in MISSING
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def as_text(cell: Any) -> str:
    """A cell as text, without blanks around; of one value one text, whatever the table's format."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    return "[…]" if isinstance(cell, list | dict | bytes) else str(cell)


def number_form(text: str) -> NumberForm | None:
    """How a number is written; None for what is none.

    Currency signs, percent signs and blanks between thousands are allowed. So are infinities and
    numbers too large for a float, which have no value.
    """
    found = _NUMBER.fullmatch(_bare(text))
    if found is None or not (found["whole"] or (found["decimals"] or "")[1:]):
        return None
    between, decimals = found["between"], found["decimals"]
    if between == ".":
        # "1.234" is a number with three decimals; "1.234.567" is not.
        plain = text.count(".") == 1 and decimals is None
        return "point" if plain else "comma"
    if between == ",":
        sure = decimals is not None or text.count(",") > 1
        return "thousands" if sure else "comma" if found["whole"].startswith("0") else "either"
    if decimals is None:
        return "plain"
    return "comma" if decimals[0] == "," else "point"


def number(cell: Any, decimal: Decimal = ".") -> float | None:
    """A cell as a number within float32; None where it is none.

    Args:
        cell: of any type; yes and no are 1 and 0.
        decimal: the decimal mark in this column, where a number can be read in two
            ways (``1,234``, ``1.234``).
    """
    if isinstance(cell, int | float):
        return _finite(cell)
    if not isinstance(cell, str):
        return None
    if decimal == ".":
        try:
            value = float(cell)
        except ValueError:
            pass
        else:
            return _finite(value)
    bare = _bare(cell)
    form = number_form(bare)
    if form is None:
        return None
    grouped = form == "point" and _GROUPED.fullmatch(bare)
    comma = form == "comma" or (decimal == "," and (form == "either" or grouped))
    return _finite(bare.translate(_REMOVED["," if comma else "."]).replace(",", "."))


def boolean(cell: Any) -> bool | None:
    """A cell as yes or no; None where it is neither. Numbers are neither."""
    if isinstance(cell, bool):
        return cell
    return _BOOLEANS.get(cell.strip().lower()) if isinstance(cell, str) else None


def _bare(text: str) -> str:
    """Without signs of currency, percent and blanks around."""
    if not text.isascii():
        text = text.translate(_SPACES)
    bare = text.strip(_AROUND)
    if bare[:1] in ("+", "-") and bare[1:2] in _AROUND:
        bare = bare[0] + bare[1:].lstrip(_AROUND)
    return bare


def _finite(value: int | float | str) -> float | None:
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -LARGEST <= found <= LARGEST else None
