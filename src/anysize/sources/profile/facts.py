"""What is counted of one column of a table, block after block, in bounded memory."""

from __future__ import annotations

import bisect
import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from anysize.readers.dates import date_form, moment
from anysize.readers.values import as_text, boolean, is_missing, number, number_form

MOST_VALUES = 1000
"""Different values that are counted one by one; of more there are estimates."""

MOST_HASHES = 1024
"""Hashes of values that are kept to estimate how many there are."""

_SAMPLE = 1024
_EXAMPLES = 5

DATE_FORMS = ("ymd", "dmy", "mdy", "either date")
NUMBER_FORMS = ("plain", "point", "comma", "thousands", "either")
_WIDEST = 1 << 10


@dataclass(slots=True, kw_only=True)
class Facts:
    """Counts over the cells of one column.

    Attributes:
        rows: cells seen.
        missing: empty, null, or a word for it (``NA``, ``?``).
        forms: how many of the others are numbers (``plain``, ``point``, ``comma``, ``thousands``,
            ``either``), ``boolean``, dates (``ymd``, ``dmy``, ``mdy``, ``either date``), ``word``
            or ``list``.
        zeros: whole numbers that are written with zeros before them (``00501``).
        whole: numbers without decimals.
        signed: numbers with a sign of currency or percent.
        low, high: of the numbers; of dates, seconds since 1970.
        characters, blanks: of the words.
        values: how often each value occurs; of more than ``MOST_VALUES`` it is empty.
        many: whether there are more.
        hashes: the smallest hashes of the values, which show how many different ones there are
            (k minimum values, Bar-Yossef et al. 2002).
        sample: numbers, chosen by the smallest hashes of their rows.
        counting: whether each number is the one in the row before it and one more.
        examples: some cells that are neither missing nor of the column's commonest form, as
            ``row: cell``.
    """

    rows: int = 0
    missing: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    zeros: int = 0
    whole: int = 0
    signed: int = 0
    low: float | None = None
    high: float | None = None
    characters: int = 0
    blanks: int = 0
    values: dict[str, int] = field(default_factory=dict)
    many: bool = False
    hashes: list[int] = field(default_factory=list)
    sample: list[tuple[int, float]] = field(default_factory=list)
    counting: bool = True
    examples: list[str] = field(default_factory=list)

    def add(self, cells: Sequence[Any], first: int) -> None:
        """Counts the cells of rows that follow each other.

        Args:
            cells: as the table gives them.
            first: the number of the first one's row.
        """
        shown = [cell if type(cell) is str else as_text(cell) for cell in cells]
        counted = Counter(shown)
        looks = {text: self.count(text, times) for text, times in counted.items()}
        self.sample_numbers([looks[text] for text in shown], range(first, first + len(shown)))
        if self._odd_wanted():
            odd = self._odd_among([text for text, value in looks.items() if value is None])
            places = (row for row, text in enumerate(shown, first) if text in odd)
            for row in itertools.islice(places, _EXAMPLES - len(self.examples)):
                self.examples.append(f"{row}: {shown[row - first][:60]}")

    def count(self, text: str, times: int) -> float | None:
        """Counts one value that occurs so often; its number, if it is one."""
        self.rows += times
        if is_missing(text):
            self.missing += times
            return None
        self._see(text, times)
        form = number_form(text)
        if form is not None:
            return self._number(text, form, times)
        if text.startswith(("[", "{")):
            self._form("list", times)
        elif boolean(text) is not None:
            self._form("boolean", times)
        elif (written := date_form(text)) is not None:
            self._form("either date" if written == "either" else written, times)
            self._span(moment(text, "mdy" if written == "mdy" else "dmy"))
        else:
            self._form("word", times)
            self.characters += times * len(text)
            self.blanks += times * text.strip().count(" ")
        return None

    def sample_numbers(self, numbers: Sequence[float | None], rows: Sequence[int]) -> None:
        """Keeps some numbers for quantiles, and sees whether they count the rows."""
        if self.counting:
            start = self.sample[0][1] - self.sample[0][0] if self.sample else None
            for row, value in zip(rows, numbers, strict=True):
                if value is None or (start is not None and value - row != start):
                    self.counting = False
                    break
                start = value - row
        self.sample += [
            (row, value) for row, value in zip(rows, numbers, strict=True) if value is not None
        ]
        if len(self.sample) > 4 * _SAMPLE:
            self.trim()

    def trim(self) -> None:
        """Leaves as much of the sample as is kept."""
        if len(self.sample) > _SAMPLE:
            self.sample = sorted(heapq.nsmallest(_SAMPLE, self.sample, key=_row_hash))

    def join(self, other: Facts) -> None:
        """Adds what was counted elsewhere, of rows that follow these or of another table."""
        for text, times in other.values.items():
            self._value(text, times)
        for name in ("rows", "missing", "zeros", "whole", "signed", "characters", "blanks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for form, times in other.forms.items():
            self._form(form, times)
        for end in (other.low, other.high):
            self._range(end)
        if other.many:
            self.many, self.values = True, {}
        self.hashes = heapq.nsmallest(MOST_HASHES, {*self.hashes, *other.hashes})
        self.sample += other.sample
        self.trim()
        self.counting = self.counting and other.counting
        self.examples = (self.examples + other.examples)[:_EXAMPLES]

    @property
    def present(self) -> int:
        """Cells that are not missing."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int:
        """How many different values there are; an estimate where there are many."""
        if not self.many:
            return len(self.values)
        if len(self.hashes) < MOST_HASHES:
            return len(self.hashes)
        found = round((MOST_HASHES - 1) / (max(self.hashes) / 2**64))
        return min(found, self.present)

    def share(self, *forms: str) -> float:
        """The part of the cells that are not missing which have one of these forms."""
        return sum(self.forms.get(form, 0) for form in forms) / max(self.present, 1)

    def quantiles(self, at: Sequence[float]) -> list[float]:
        """Of the numbers, estimated from the sample."""
        import numpy as np

        self.trim()
        values = [value for _, value in self.sample]
        return [float(value) for value in np.quantile(values, at)] if values else []

    def to_json(self) -> dict[str, Any]:
        self.trim()
        return asdict(self)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Facts:
        known = {each.name for each in fields(cls)}
        facts = cls(**{name: value for name, value in entries.items() if name in known})
        facts.sample = [(int(row), float(value)) for row, value in facts.sample]
        return facts

    def _number(self, text: str, form: str, times: int) -> float | None:
        value = number(text, "," if form == "comma" else ".")
        self._form("word" if value is None else form, times)
        if value is None:
            return None  # too large
        bare = text.strip().lstrip("+-")
        if form == "plain":
            self.whole += times
            self.zeros += times * (len(bare) > 1 and bare[0] == "0" and bare.isdigit())
        elif value.is_integer():
            self.whole += times
        self.signed += times * (
            (not bare[:1].isdigit() and bare[:1] not in ".,") or bare[-1] == "%"
        )
        self._range(value)
        return value

    def _form(self, form: str, times: int) -> None:
        self.forms[form] = self.forms.get(form, 0) + times

    def _see(self, text: str, times: int) -> None:
        self._value(text[:_WIDEST], times)
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
        value = int.from_bytes(digest, "little")
        if len(self.hashes) < MOST_HASHES or value < self.hashes[-1]:
            place = bisect.bisect_left(self.hashes, value)
            if place == len(self.hashes) or self.hashes[place] != value:
                self.hashes.insert(place, value)
                del self.hashes[MOST_HASHES:]

    def keep_hashes(self, values: Sequence[int]) -> None:
        """Takes hashes of values into the estimate of how many there are."""
        self.hashes = heapq.nsmallest(MOST_HASHES, {*self.hashes, *values})

    def _value(self, text: str, times: int) -> None:
        if self.many:
            return
        self.values[text] = self.values.get(text, 0) + times
        if len(self.values) > MOST_VALUES:
            self.many, self.values = True, {}

    def _span(self, when: Any) -> None:
        from anysize.readers.dates import seconds

        if when is not None:
            self._range(seconds(when))

    def _range(self, value: float | None) -> None:
        if value is not None:
            self.low = value if self.low is None else min(self.low, value)
            self.high = value if self.high is None else max(self.high, value)

    def _odd_among(self, texts: Sequence[str]) -> set[str]:
        """Those of texts that are no numbers which are not of the commonest form."""
        main = max(self.forms, key=lambda form: self.forms[form], default="")
        if main in DATE_FORMS:
            of_form: Callable[[str], Any] = date_form
        else:
            of_form = boolean if main == "boolean" else lambda text: None
        return {text for text in texts if not is_missing(text) and of_form(text) is None}

    def _odd_wanted(self) -> bool:
        return len(self.examples) < _EXAMPLES


def _row_hash(pair: tuple[int, float]) -> int:
    """A number that looks drawn, of a row's number (Knuth's multiplicative hash)."""
    row = pair[0] * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return (row ^ row >> 29) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
