"""SQuAD's nesting (articles, paragraphs, questions) as rows: one question with its context each.

Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822); CMRC 2018, DRCD, MLQA, XQuAD
and many others have the same form. MRQA (Fisch et al. 2019, arXiv:1910.09753) has a context with
its questions a line, behind a line that says what the data are, and the places of answers apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anysize.core.errors import DataError

_PARAGRAPHS, _QUESTIONS = "paragraphs", "qas"
_HEADER, _DETECTED, _SPANS = "header", "detected_answers", "char_spans"
_TOKENS = "question_tokens"


def is_nested(row: Any) -> bool:
    """Whether a row has questions inside."""
    return isinstance(row, Mapping) and any(
        isinstance(row.get(key), list) for key in (_PARAGRAPHS, _QUESTIONS)
    )


def is_header(row: Any) -> bool:
    """Whether a row only says what the data are, as the first line of MRQA does."""
    return isinstance(row, Mapping) and set(row) == {_HEADER} and isinstance(row[_HEADER], Mapping)


def flattened(rows: Iterable[Any], origin: str) -> Iterator[Any]:
    """Rows as they are, and articles and paragraphs with questions as a row for each question.

    A row has what its question has (``id``, ``question``, ``answers``, ``is_impossible``, …) and
    the context and title around it.

    Args:
        rows: of a table.
        origin: the file, for messages.

    Raises:
        DataError: an article whose paragraphs or questions are not lists of objects.
    """
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping) or not (_PARAGRAPHS in row or _QUESTIONS in row):
            yield row
            continue
        around = {key: value for key, value in row.items() if isinstance(value, str)}
        paragraphs = [row] if _QUESTIONS in row else row[_PARAGRAPHS]
        where = f"entry {place}"
        for paragraph in _objects(paragraphs, f"the {_PARAGRAPHS} of {where}", origin):
            context = paragraph.get("context")
            if not isinstance(context, str):
                raise DataError(origin, f"a paragraph of {where} has no context that is a text")
            questions = paragraph.get(_QUESTIONS)
            for question in _objects(questions, f"the {_QUESTIONS} of {where}", origin):
                found = _placed(question, f"a question of {where}", origin)
                found.setdefault("context", context)
                if isinstance(title := around.get("title"), str):
                    found.setdefault("title", title)
                yield found


def _objects(value: Any, what: str, origin: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise DataError(
            origin, f"{what} must be a list of objects, as in SQuAD, not {str(value)[:60]!r}"
        )
    return value


def _placed(question: Mapping[str, Any], what: str, origin: str) -> dict[str, Any]:
    """A question whose answers have their places beside them, where MRQA has these apart.

    The other names of an answer (``answers``) stay right answers. What does not fit the text is
    repaired, and counted, where answers are read.
    """
    found = dict(question)
    if _DETECTED not in found:
        return found
    found.pop(_TOKENS, None)  # the question's text once more
    answers: list[Any] = []
    for one in _objects(found.pop(_DETECTED), f"the {_DETECTED} of {what}", origin):
        spans = one.get(_SPANS) or [[None]]
        if not isinstance(spans, list) or not all(
            isinstance(each, list) and each for each in spans
        ):
            raise DataError(
                origin, f"the {_SPANS} of {what} must be pairs of numbers, not {str(spans)[:60]!r}"
            )
        answers += [{"text": one.get("text"), "answer_start": each[0]} for each in spans]
    known = {str(one["text"]).casefold() for one in answers}
    others = found.get("answers")
    if isinstance(others, list):
        answers += [
            each for each in others if isinstance(each, str) and each.casefold() not in known
        ]
    return {**found, "answers": answers}
