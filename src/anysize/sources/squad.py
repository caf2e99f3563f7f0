"""SQuAD's nesting (articles, paragraphs, questions) as rows: one question with its context each.

Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822); CMRC 2018, DRCD, MLQA, XQuAD
and many others have the same form. MRQA (Fisch et al. 2019, arXiv:1910.09753) has a context with
its questions a line, behind a line that says what the data are, and the places of answers apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PARAGRAPHS, _QUESTIONS = "paragraphs", "qas"
_HEADER, _DETECTED, _SPANS = "header", "detected_answers", "char_spans"
_TOKENS = "question_tokens"


def is_nested(row: Any) -> bool:
    """Whether a row has questions inside."""
    return isinstance(row, Mapping) and any(
        isinstance(inner := row.get(key), list)
        and (not inner or any(isinstance(one, Mapping) for one in inner))
        for key in (_PARAGRAPHS, _QUESTIONS)
    )


def is_header(row: Any) -> bool:
    """Whether a row only says what the data are, as the first line of MRQA does."""
    return isinstance(row, Mapping) and set(row) == {_HEADER} and isinstance(row[_HEADER], Mapping)


def flattened(rows: Iterable[Any]) -> Iterator[Any]:
    """Rows as they are, and articles and paragraphs with questions as a row for each question.

    A row has what its question has (``id``, ``question``, ``answers``, ``is_impossible``, …) and
    the context and title around it. What is not as it must be (a paragraph without a context, or
    without questions) is a row without a value there, so that it fails alone, by its name.

    Args:
        rows: of a table.
    """
    for row in rows:
        if not is_nested(row):
            yield row
            continue
        paragraphs = [row] if isinstance(row.get(_QUESTIONS), list) else row[_PARAGRAPHS]
        for paragraph in paragraphs:
            yield from _questions(paragraph, row.get("title"))


def _questions(paragraph: Any, title: Any) -> Iterator[dict[str, Any]]:
    """The rows of a paragraph."""
    inside: Mapping[str, Any] = paragraph if isinstance(paragraph, Mapping) else {}
    context, questions = inside.get("context"), inside.get(_QUESTIONS)
    for question in questions if isinstance(questions, list) else [None]:
        found: dict[str, Any] = {"question": None}
        if isinstance(question, Mapping):
            found = _placed(question)
        found.setdefault("context", context if isinstance(context, str) else None)
        if isinstance(title, str):
            found.setdefault("title", title)
        yield found


def _placed(question: Mapping[str, Any]) -> dict[str, Any]:
    """A question whose answers have their places beside them, where MRQA has these apart.

    The other names of an answer (``answers``) stay right answers. What does not fit the text, or
    is no place, is repaired, and counted, where answers are read.
    """
    found = dict(question)
    detected = found.pop(_DETECTED, None)
    if not isinstance(detected, list):
        return found
    found.pop(_TOKENS, None)  # the question's text once more
    named = [one for one in detected if isinstance(one, Mapping)]
    answers: list[Any] = [
        {"text": one.get("text"), "answer_start": start}
        for one in named
        for start in _starts(one.get(_SPANS))
    ]
    known = {str(one["text"]).casefold() for one in answers}
    others = found.get("answers")
    if isinstance(others, list):
        answers += [
            each for each in others if isinstance(each, str) and each.casefold() not in known
        ]
    return {**found, "answers": answers}


def _starts(spans: Any) -> list[Any]:
    """The first character of each place; None where nothing says it."""
    pairs = spans if isinstance(spans, list) and spans else [None]
    return [pair[0] if isinstance(pair, list) and pair else None for pair in pairs]
