"""What data say of the answers of a question, and where those are in the context.

In a table the answers are one of

- a text (``France``), with its first character in a column ``answer_start`` where that is known;
- a list of texts, or of objects with ``text`` and ``answer_start`` (SQuAD), or columns of lists
  ``answers.text`` and ``answers.answer_start`` (the datasets library);
- an empty list where the context has no answer, or true in a column ``is_impossible``.

A place that is wrong is common in data; the answer is then searched in the context.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from anysize.core.errors import DataError
from anysize.core.records import Record, TextField
from anysize.readers.values import boolean
from anysize.tasks.answer_columns import IMPOSSIBLE, START

_TEXTS = ("text", "answer", "answer_text", "span")
_STARTS = ("answer_start", "start", "start_char", "offset")
_LONGEST = 1 << 16

How: TypeAlias = Literal["as given", "first of several", "moved", "nearly", "missing"]
"""How an answer's place was found: as the data say; the first of several that are equal, where the
data say nothing; elsewhere than the data say; with other case or blanks; or not at all."""


class Given(NamedTuple):
    """An answer as it is in the data: its text, and its first character where that is known."""

    text: str
    start: int | None


class Placed(NamedTuple):
    """An answer in its context.

    Attributes:
        text: as it is in the data.
        start, stop: its characters in the context; -1 where it is not there.
        how: it was found.
    """

    text: str
    start: int
    stop: int
    how: How


@dataclass(frozen=True, slots=True)
class Wanted:
    """The target of a question.

    Attributes:
        answers: those that are right; none where the context does not answer the question.
        impossible: whether answers were given although the question is marked as having none.
    """

    answers: tuple[Placed, ...]
    impossible: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The answers as they are in the data."""
        return tuple(answer.text for answer in self.answers)

    @property
    def chosen(self) -> Placed | None:
        """The answer that is learned: the one most often given, the first among equals."""
        there = [answer for answer in self.answers if answer.start >= 0]
        if not there:
            return None
        counts = Counter((answer.start, answer.stop) for answer in there)
        return max(there, key=lambda answer: counts[answer.start, answer.stop])


def wanted(record: Record, context: str) -> Wanted | None:
    """The answers of a record; None where the data say nothing of them.

    Args:
        record: with its target, and the fields beside it.
        context: role of the text that they are in.

    Raises:
        DataError: the cells are not understood.
    """
    given = _given(record)
    if given is None:
        return None
    if _impossible(record):
        return Wanted((), impossible=bool(given))
    return Wanted(tuple(place(record.text(context), one) for one in given))


def _given(record: Record) -> list[Given] | None:
    target = record.target
    if target is None:
        return [] if _impossible(record) else None
    starts = _starts(record)
    items = _items(target)
    if isinstance(items, Mapping):
        starts = _as_list(next((items[name] for name in _STARTS if name in items), None))
        items = _as_list(next((items[name] for name in _TEXTS if name in items), None))
    found = [
        _one(item, starts[index] if index < len(starts) else None, record.id)
        for index, item in enumerate(items)
    ]
    return [one for one in found if one.text.strip()]


def _one(item: Any, start: Any, origin: str) -> Given:
    if isinstance(item, Mapping):
        start = next((item[name] for name in _STARTS if name in item), start)
        item = next((item[name] for name in _TEXTS if name in item), None)
    if not isinstance(item, str):
        shown = json.dumps(item, ensure_ascii=False, default=str)
        raise DataError(
            origin,
            f"an answer must be a text, or an object with text and answer_start, not {shown:.60}",
        )
    if len(item) > _LONGEST:
        raise DataError(origin, f"an answer may have {_LONGEST:,} characters, not {len(item):,}")
    if isinstance(start, float) and start.is_integer():
        start = int(start)
    known = isinstance(start, int) and not isinstance(start, bool) and start >= 0
    return Given(item, start if known else None)


def _items(target: Any) -> Any:
    """A cell of answers as a list, or as an object of lists; a text alone is a list of one."""
    if not isinstance(target, str):
        return target if isinstance(target, list | Mapping) else [target]
    if target.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(target)
        except (ValueError, RecursionError):
            return [target]  # an answer may begin with a bracket
        if isinstance(found, list | dict):
            return found
    return [target]


def _starts(record: Record) -> list[Any]:
    """The places in the column beside the answers."""
    text = record.values.get(START.role)
    if not text:
        return []
    try:
        return _as_list(json.loads(text))
    except (ValueError, RecursionError):
        raise DataError(
            record.id, f"answer_start must be a number or a list of numbers, not {text[:40]!r}"
        ) from None


def _impossible(record: Record) -> bool:
    """Whether the question is marked as one that the context does not answer.

    Raises:
        DataError: the mark is neither yes nor no.
    """
    text = record.values.get(IMPOSSIBLE.role, "").strip()
    if not text:
        return False
    found = text == "1" if text in ("0", "1") else boolean(text)
    if found is None:
        raise DataError(record.id, f"is_impossible must be true or false, not {text[:40]!r}")
    return found


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def place(text: TextField, answer: Given) -> Placed:
    """Where an answer is in a text that is read as a stream.

    A place that the data give and that is right is taken as it is. Otherwise it is the nearest to
    that place where the answer is, or the first, with the same case and blanks if there is such a
    one.
    """
    start, size = answer.start, len(answer.text)
    if start is not None and start < text.size_hint and (
        text.read(start, start + size) == answer.text
    ):  # fmt: skip
        return Placed(answer.text, start, start + size, "as given")
    for exact in (True, False):
        found = list(_nearest(text, answer, exact=exact))
        if found:
            begin, end = found[0]
            how: How = "moved" if start is not None else "as given"
            if start is None and len(found) > 1:
                how = "first of several"
            return Placed(answer.text, begin, end, how if exact else "nearly")
    return Placed(answer.text, -1, -1, "missing")


def _nearest(text: TextField, answer: Given, *, exact: bool) -> Iterator[tuple[int, int]]:
    """The occurrence that is nearest to the place given, or the first two of all."""
    words = answer.text.strip() if exact else r"\s+".join(map(re.escape, answer.text.split()))
    pattern = re.compile(re.escape(words) if exact else words, 0 if exact else re.IGNORECASE)
    found = occurrences(text, pattern, 2 * len(answer.text) + 64)
    if answer.start is None:
        for _, one in zip(range(2), found, strict=False):
            yield one
        return
    start = answer.start
    best = min(found, key=lambda one: (abs(one[0] - start), one), default=None)
    if best is not None:
        yield best


def occurrences(text: TextField, pattern: re.Pattern[str], reach: int) -> Iterator[tuple[int, int]]:
    """First character and the one after the last of each match, which do not overlap, in order.

    Args:
        text: read as a stream.
        pattern: never matches the empty text.
        reach: characters that a match has at most.
    """
    held, begin, after = "", 0, 0
    for chunk in text.chunks():
        held += chunk
        # What may go on in the next chunk is looked at with it.
        sure = len(held) - reach
        for match in pattern.finditer(held, max(after - begin, 0)):
            if match.start() >= sure:
                break
            after = begin + match.end()
            yield begin + match.start(), after
        kept = max(sure, 0)
        held, begin = held[kept:], begin + kept
    for match in pattern.finditer(held, max(after - begin, 0)):
        yield begin + match.start(), begin + match.end()
