"""A question and its context as windows: what the model reads, and what is learned of each.

In training a window that holds the whole answer is to point at its first and last token, whether
or not another window holds it too; any other is to say that there is no answer in it. A record
counts once, however many windows its context has: half for those with the answer, half for those
without.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.records import Record, TextField
from anysize.readers.recent import RecentText
from anysize.readers.text import Text
from anysize.tasks.answer_columns import CONTEXT, QUESTION
from anysize.tasks.answer_targets import Placed, wanted
from anysize.tasks.text_classification import example_of, nothing_to_read
from anysize.windows.tokens import TokenWindow, TokenWindows

HELD = 64
"""Windows of a record that training reads once; a longer one is read again instead."""


class AnswerPreprocess:
    """Records to examples.

    Args:
        windows: with types and places, the question before the context.
        none: id of the token whose logits mean no answer.
        beside: the arrays that the model takes beside the token ids.
        question: asked of every record; None takes each one's own.
    """

    def __init__(
        self, windows: TokenWindows, none: int | None, beside: tuple[str, ...], question: str | None
    ) -> None:
        self._windows = windows
        self._none = none
        self._beside = beside
        self._question = None if question is None else Text(question, "the question")

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        question = self._question or _question(record)
        if draw is not None:
            yield from self._learned(ordinal, record, question)
            return
        context = RecentText(record.text(CONTEXT.role))
        for index, window in enumerate(self._windows.stream(context, question)):
            begin, stop = window.characters.start, window.characters.stop
            assert window.places is not None
            aside = {
                "offsets": window.places.offsets,
                "begin": np.array(begin),
                "characters": _code_points(context.read(begin, stop)),
            }
            yield self._example(ordinal, record, index, window, aside)
            context.forget(begin)

    def _learned(self, ordinal: int, record: Record, question: TextField) -> Iterator[Example]:
        """The windows with what is learned of them; those of a long context are counted first.

        Raises:
            DataError: nothing can be learned from the record.
        """
        found = wanted(record, CONTEXT.role)
        answer = None if found is None else found.chosen
        if found is None or (answer is None and found.answers):
            raise DataError(record.id, nothing_to_learn(found is not None))
        lesson = Lesson(answer)
        context = record.text(CONTEXT.role)
        stream = self._windows.stream(context, question)
        held = list(itertools.islice(stream, HELD))
        for window in itertools.chain(held, stream):
            lesson.count(window)
        if answer is not None and not lesson.holding:
            raise DataError(
                record.id,
                f"the answer of {answer.stop - answer.start:,} characters at character "
                f"{answer.start:,} fits into no window: use a larger --window or --overlap",
            )
        again = held if held[-1].last else self._windows.stream(context, question)
        for index, window in enumerate(again):
            none = _row_of(window, self._none)
            yield self._example(ordinal, record, index, window, lesson.of(window, none))

    def _example(
        self,
        ordinal: int,
        record: Record,
        index: int,
        window: TokenWindow,
        aside: dict[str, NDArray[Any]],
    ) -> Example:
        if window.last and not window.region.stop:
            raise DataError(record.text(CONTEXT.role).origin, nothing_to_read(window))
        places = {
            "first": np.array(window.first),
            "none": np.array(_row_of(window, self._none)),
        }
        assert window.types is not None
        arrays = {"input_ids": window.ids, "token_type_ids": window.types}
        taken = {name: arrays[name] for name in ("input_ids", *self._beside)}
        return example_of(ordinal, record.id, index, window, taken, {**places, **aside})


class Lesson:
    """What the windows of one record are to say.

    Args:
        answer: in the context; None where that has none.
    """

    def __init__(self, answer: Placed | None) -> None:
        self._answer = answer
        self.holding = 0
        self._others = 0

    def count(self, window: TokenWindow) -> None:
        """Notes a window, before any is learned from."""
        if self._rows(window) is None:
            self._others += 1
        else:
            self.holding += 1

    def of(self, window: TokenWindow, none: int) -> dict[str, NDArray[Any]]:
        """``rows``, of the answer's first and last token or of no answer, and what they count."""
        rows = self._rows(window)
        alike = self._others if rows is None else self.holding
        kinds = 2 if self._others and self.holding else 1
        return {
            "rows": np.array((none, none) if rows is None else rows, np.int64),
            "weight": np.array(1 / (kinds * alike), np.float32),
            "tokens": np.array(window.region.size),
        }

    def _rows(self, window: TokenWindow) -> tuple[int, int] | None:
        """Rows of the answer's first and last token; None where the window does not hold it."""
        answer, places = self._answer, window.places
        if answer is None or places is None or not len(places.offsets):
            return None
        inside = window.characters
        if answer.start < inside.start or answer.stop > inside.stop:
            return None
        starts, stops = places.offsets[:, 0], places.offsets[:, 1]
        touched = np.flatnonzero((starts < answer.stop) & (stops > answer.start) & (stops > starts))
        if not len(touched):
            return None
        return window.first + int(touched[0]), window.first + int(touched[-1])


def nothing_to_learn(answers: bool) -> str:
    """Why a record cannot be learned from."""
    if answers:
        return "none of its answers is in its context, so that nothing can be learned from it"
    return (
        "has no answers: mark a question that its context does not answer by an empty list, or by "
        "true in a column is_impossible"
    )


def _question(record: Record) -> TextField:
    """The record's own question.

    Raises:
        DataError: it has none, or a blank one.
    """
    if QUESTION.role not in record.fields:
        raise DataError(
            record.id,
            "has no question: ask one with --question, or give a table with a column of questions",
        )
    question = record.text(QUESTION.role)
    if not any(chunk.strip() for chunk in question.chunks()):
        raise DataError(record.id, "its question is blank")
    return question


def _row_of(window: TokenWindow, token: int | None) -> int:
    """The row of a special token around a window's own tokens; the first where it is not there."""
    if token is not None and window.ids[0] != token:
        own = slice(window.first, window.first + window.region.size)
        around = window.ids == token
        around[own] = False
        places = np.flatnonzero(around)
        if len(places):
            return int(places[0])
    return 0


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
