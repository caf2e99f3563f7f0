"""Parameters of steps: what they may be, and how text, TOML and Python values become them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["number", "whole", "range", "size", "word", "string"]
Single: TypeAlias = Literal["exact", "around zero", "around one"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:\.\.|…)\s*({_NUMBER})")
_PLUS_MINUS = re.compile(rf"(?:±|\+-|\+/-)\s*({_NUMBER})")
_SIZE = re.compile(r"(\d+)\s*[x×]\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, drawn evenly."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    def at(self, part: float) -> float:
        """The number at a part (0 to 1) of the way."""
        return self.low + (self.high - self.low) * part


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a parameter may be.

    Attributes:
        about: what it does.
        kind: number, whole number, range, size (``(width, height)``), word, or any text.
        low, high: bounds of the numbers, included.
        single: what a single number means where a range is asked for: itself, a deviation from
            0 to both sides, or a deviation from 1 to both sides.
        words: what a word may be.
        optional: whether None is allowed.
    """

    about: str
    kind: Kind
    low: float = float("-inf")
    high: float = float("inf")
    single: Single = "exact"
    words: tuple[str, ...] = ()
    optional: bool = False

    def expected(self) -> str:
        """The rule in words."""
        if self.kind == "word":
            return f"one of {', '.join(self.words)}"
        if self.kind == "string":
            return "a text"
        if self.kind == "size":
            return "a side or WIDTHxHEIGHT in pixels, each from 1 to 65536"
        what = {
            "number": "a number",
            "whole": "a whole number",
            "range": "a number or a range a..b",
        }
        text = what[self.kind]
        if self.low > float("-inf") and self.high < float("inf"):
            return f"{text} from {self.low:g} to {self.high:g}"
        return f"{text} of at least {self.low:g}" if self.low > float("-inf") else text


def number(about: str, low: float, high: float) -> dict[str, Rule]:
    """Metadata of a dataclass field for a number."""
    return {"rule": Rule(about=about, kind="number", low=low, high=high)}


def whole(about: str, low: int, high: int) -> dict[str, Rule]:
    """Metadata of a dataclass field for a whole number."""
    return {"rule": Rule(about=about, kind="whole", low=low, high=high)}


def span(about: str, low: float, high: float, single: Single = "exact") -> dict[str, Rule]:
    """Metadata of a dataclass field for a range."""
    return {"rule": Rule(about=about, kind="range", low=low, high=high, single=single)}


def picture_size(about: str) -> dict[str, Rule]:
    """Metadata of a dataclass field for a size; None is the model's input."""
    return {"rule": Rule(about=about, kind="size", low=1, optional=True)}


def word(about: str, words: tuple[str, ...]) -> dict[str, Rule]:
    """Metadata of a dataclass field for one of some words."""
    return {"rule": Rule(about=about, kind="word", words=words)}


def text(about: str) -> dict[str, Rule]:
    """Metadata of a dataclass field for a text of any content, the name of a folder for one."""
    return {"rule": Rule(about=about, kind="string")}


def rules(kind: type) -> dict[str, Rule]:
    """The rules of a step's parameters, in the order in which they are given without names."""
    return {item.name: item.metadata["rule"] for item in dataclasses.fields(kind)}


class WrongValueError(ValueError):
    """A value breaks its rule."""


def converted(value: Any, rule: Rule) -> Any:
    """The value that a parameter takes.

    Args:
        value: a Python or TOML value, or text.
        rule: what it may be.

    Raises:
        WrongValueError: the message is the rule and the value, without the parameter's name.
    """
    if value is None and rule.optional:
        return None
    try:
        found = _READERS[rule.kind](value, rule)
    except (ValueError, TypeError, OverflowError):
        raise WrongValueError(f"must be {rule.expected()}, not {_shown(value)}") from None
    bounds: tuple[Any, ...] = (found.low, found.high) if isinstance(found, Range) else (found,)
    if rule.kind in ("number", "whole", "range") and not all(
        rule.low <= bound <= rule.high for bound in bounds
    ):
        raise WrongValueError(f"must be {rule.expected()}, not {_shown(value)}")
    if isinstance(found, Range) and found.low > found.high:
        raise WrongValueError(f"must be a range from low to high, not {_shown(value)}")
    return found


def written(value: Any) -> str:
    """A parameter's value as it is written in a specification."""
    if isinstance(value, Range):
        return str(value)
    if isinstance(value, tuple):
        width, height = value
        return f"{width}x{height}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(value: Any) -> str:
    return repr(str(value)) if isinstance(value, Range) else repr(value)


def _plain(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str) and not re.fullmatch(_NUMBER, value.strip()):
        raise ValueError
    return float(value)


def _number(value: Any, rule: Rule) -> float:
    return _plain(value)


def _whole(value: Any, rule: Rule) -> int:
    found = _plain(value)
    if found != int(found):
        raise ValueError
    return int(found)


def _range(value: Any, rule: Rule) -> Range:
    if isinstance(value, Range):
        return value
    if isinstance(value, str):
        text = value.strip()
        if match := _RANGE.fullmatch(text):
            return Range(float(match[1]), float(match[2]))
        if match := _PLUS_MINUS.fullmatch(text):
            reach = abs(float(match[1]))
            return (
                Range(1 - reach, 1 + reach) if rule.single == "around one" else Range(-reach, reach)
            )
    elif isinstance(value, Sequence):
        low, high = value
        return Range(_plain(low), _plain(high))
    found = _plain(value)
    if rule.single == "exact":
        return Range(found, found)
    middle = 1.0 if rule.single == "around one" else 0.0
    return Range(middle - abs(found), middle + abs(found))


def _size(value: Any, rule: Rule) -> int | tuple[int, int]:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        sides = int(match[1]), int(match[2])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        across, down = value
        sides = _whole(across, rule), _whole(down, rule)
    else:
        sides = (_whole(value, rule),) * 2
        if 1 <= sides[0] <= 1 << 16:
            return sides[0]
    if not all(1 <= side <= 1 << 16 for side in sides):
        raise ValueError
    return sides


def _word(value: Any, rule: Rule) -> str:
    if value not in rule.words:
        raise ValueError
    return str(value)


def _string(value: Any, rule: Rule) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    return os.fspath(value)


_READERS: dict[Kind, Callable[[Any, Rule], Any]] = {
    "number": _number,
    "whole": _whole,
    "range": _range,
    "size": _size,
    "word": _word,
    "string": _string,
}
