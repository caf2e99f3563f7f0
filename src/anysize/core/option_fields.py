"""One option: a field of a dataclass with its help, default and rules; see `core.options`."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from anysize.core import option_values
from anysize.core.option_values import WrongValueError

REQUIRED: Any = dataclasses.MISSING
"""The default of an option that must be given."""


_COUNTABLE = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is known of an option beside its name, type and default; see `option`."""

    help: str
    low: float | None
    above: float | None
    high: float | None
    below: float | None
    choices: Sequence[str] | Callable[[], Sequence[str]]
    also: Callable[[], Sequence[str]] | None
    pattern: str
    filled: bool
    check: Callable[[Any], str | None] | None
    parse: Callable[[str], Any] | None
    expected: str
    unit: str
    metavar: str
    automatic: str
    key: str
    formerly: str
    flag: str | None
    free: bool
    off: Any

    def allowed(self) -> tuple[str, ...]:
        """The words that the option may be; empty where any are."""
        return tuple(self.choices() if callable(self.choices) else self.choices)

    def others(self) -> tuple[str, ...]:
        """Other names of these words."""
        return () if self.also is None else tuple(self.also())


def option(
    default: Any,
    *,
    help: str,  # noqa: A002
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    also: Callable[[], Sequence[str]] | None = None,
    pattern: str = "",
    filled: bool = False,
    check: Callable[[Any], str | None] | None = None,
    parse: Callable[[str], Any] | None = None,
    expected: str = "",
    unit: str = "",
    metavar: str = "",
    automatic: str = "",
    key: str = "",
    formerly: str = "",
    flag: str | None = "",
    free: bool = False,
    off: Any = None,
) -> Any:
    """A field of a dataclass of options. Rules for numbers and words hold for each one of a list.

    Args:
        default: the value where none is given; `REQUIRED` has none.
        help: what the value does, one sentence of plain English for the command line and the docs.
        low: the smallest number that is allowed.
        above: the bound that a number must be above.
        high: the largest number that is allowed.
        below: the bound that a number must be below.
        choices: the words that are allowed, or a function that lists them (plug-ins of a room).
        also: lists other names of the choices, which are taken and not shown.
        pattern: regular expression that the whole text matches; say what it is in ``expected``.
        filled: whether empty text and empty lists are refused.
        check: any other rule of one value: what is wrong (``"must be …, not …"``), or None.
        parse: makes a value of text, where the type alone does not say how; raises ``ValueError``
            or ``ConfigurationError``. Texts in recipe files are parsed too.
        expected: what a value may be, in words (``"a side or WIDTHxHEIGHT in pixels"``); None is
            what type and rules say.
        unit: of numbers (``tokens``, ``pixels``, ``bytes``).
        metavar: what the value is called in the command line's help; by default by its type.
        automatic: what None means (``once an epoch``), for help and docs.
        key: the name in a recipe's table, where it differs from the field's.
        formerly: the field's earlier name, which is still taken, with a note (`core.renamed`).
        flag: the name on the command line where it differs (``--compile``); None: no option there.
        free: whether it may change between a run and its resumption: it does not change what is
            learned.
        off: a value that asks for nothing, beside the default.
    """
    rules = Rules(
        help=help, low=low, above=above, high=high, below=below, choices=choices, also=also,
        pattern=pattern, filled=filled, check=check, parse=parse, expected=expected, unit=unit,
        metavar=metavar, automatic=automatic, key=key, formerly=formerly, flag=flag, free=free,
        off=off,
    )  # fmt: skip
    metadata = {"option": rules}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One option, as it is declared.

    Attributes:
        name: of the field.
        table: that it belongs to.
        heading: of its group in help.
        type: annotation of the field, resolved.
        default: the value where none is given; `REQUIRED` has none.
        rules: what it may be, and its help.
    """

    name: str
    table: str
    heading: str
    type: Any
    default: Any
    rules: Rules

    @property
    def key(self) -> str:
        """The name in a recipe's table."""
        return self.rules.key or self.name

    @property
    def flag(self) -> str | None:
        """The name on the command line (``--window``); None where it is not an option there."""
        if self.rules.flag is None:
            return None
        return self.rules.flag or "--" + self.name.replace("_", "-")

    @property
    def arms(self) -> tuple[Any, ...]:
        """The types that a value may have, without None."""
        return option_values.arms(self.type)

    @property
    def switch(self) -> bool:
        """Whether it is on or off."""
        return self.arms == (bool,)

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    def limited(self, words: Sequence[str]) -> Declared:
        """The option where only some of its words mean something."""
        return dataclasses.replace(self, rules=dataclasses.replace(self.rules, choices=words))

    def expected(self, value: Any = None) -> str:
        """What a value may be, in words: ``a whole number of at least 4``.

        Args:
            value: that is refused. A bound that is only there for what the machine can count is
                not mentioned unless it is what the value breaks.
        """
        if self.rules.expected:
            return self.rules.expected
        if words := self.rules.allowed():
            return f"one of {', '.join(words)}"
        bounds = self._bounds(value)
        what = option_values.described(self.type)
        return f"{what} {bounds}" if bounds else what

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, without the option's name; None where nothing is."""
        rules = self.rules
        if not option_values.fits(value, self.type):
            return self._refused(value)
        if value is None:
            return None
        parts = value if isinstance(value, tuple) else (value,)
        if rules.filled and value != self.default and ("" in parts or not parts):
            return "must not be empty"
        if not all(map(self._within, parts)):
            return self._refused(value)
        return None if rules.check is None else rules.check(value)

    def from_text(self, text: str) -> Any:
        """The value of a text of the command line.

        Raises:
            WrongValueError: it is none; the message is without the option's name.
        """
        try:
            if self.rules.parse is not None:
                return self.rules.parse(text)
            return option_values.from_text(text, self.type)
        except WrongValueError:
            raise
        except ValueError:
            raise WrongValueError(self._refused(text)) from None

    def from_file(self, value: Any) -> Any:
        """The value of a value of TOML or JSON; one that does not fit stays as it is."""
        if isinstance(value, str) and self.rules.parse is not None:
            return self.from_text(value)
        return option_values.from_file(value, self.type)

    def shown(self, value: Any) -> str:
        """A value in words, for help and documentation."""
        if value in (None, {}, ()):
            return self.rules.automatic or "none"
        return option_values.shown(value, self.rules.unit)

    def _within(self, value: Any) -> bool:
        """Whether one number or text keeps the rules; a comparison with not-a-number is false."""
        rules = self.rules
        if isinstance(value, str):
            words = rules.allowed()
            fits = not rules.pattern or re.fullmatch(rules.pattern, value) is not None
            return fits and (not words or value in words or value in rules.others())
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            (rules.low is None or value >= rules.low)
            and (rules.above is None or value > rules.above)
            and (rules.high is None or value <= rules.high)
            and (rules.below is None or value < rules.below)
            and value == value
        )

    def _bounds(self, value: Any) -> str:
        rules = self.rules
        if rules.high is not None and rules.high > _COUNTABLE and not _above(value, rules.high):
            rules = dataclasses.replace(rules, high=None)
        number = functools.partial(option_values.shown, unit=rules.unit)
        if rules.low is not None and rules.high is not None:
            return f"from {number(rules.low)} to {number(rules.high)}"
        low = "" if rules.low is None else f"of at least {number(rules.low)}"
        low = low if rules.above is None else f"above {number(rules.above)}"
        high = "" if rules.high is None else f"at most {number(rules.high)}"
        high = high if rules.below is None else f"below {number(rules.below)}"
        return " and ".join(part for part in (low, high) if part)

    def _refused(self, value: Any) -> str:
        numeric = self.arms[0] in (int, float)
        number = numeric and isinstance(value, int | float) and not isinstance(value, bool)
        found = option_values.shown(value, self.rules.unit) if number else repr(value)
        return f"must be {self.expected(value)}, not {found}"


Naming: TypeAlias = Callable[["Declared"], str]
"""How a message calls an option: ``window``, ``[text] window`` or ``--window``."""


def _above(value: Any, bound: float) -> bool:
    return isinstance(value, int | float) and value > bound


def by_field(one: Declared) -> str:
    """``window``: what Python calls an option."""
    return one.name


def by_table(one: Declared) -> str:
    """``[text] window``: what a recipe calls an option."""
    return f"[{one.table}] {one.key}" if one.table else one.key


def by_flag(one: Declared) -> str:
    """``--window``: what the command line calls an option."""
    return one.flag or one.name
