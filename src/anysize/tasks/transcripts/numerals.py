"""Numbers of English as words, so that ``12`` and ``twelve`` are the same in a comparison."""

from __future__ import annotations

import re

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["-", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,9}))?(?![\w]|\.\d)")


def in_words(text: str) -> str:
    """A text whose whole and decimal numbers are words; longer ones and ordinals stay.

    >>> in_words("12 of 1,234.5")
    'twelve of one thousand two hundred thirty four point five'
    """
    return _NUMBER.sub(_said, text)


def _said(found: re.Match[str]) -> str:
    whole, part = found[1].replace(",", ""), found[2]
    words = _whole(int(whole))
    if part is None:
        return words
    return f"{words} point {' '.join(_ONES[int(digit)] for digit in part)}"


def _whole(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        tens, one = divmod(number, 10)
        return f"{_TENS[tens]} {_ONES[one]}" if one else _TENS[tens]
    size, name = next(scale for scale in _SCALES if number >= scale[0])
    many, rest = divmod(number, size)
    return f"{_whole(many)} {name}{f' {_whole(rest)}' if rest else ''}"
