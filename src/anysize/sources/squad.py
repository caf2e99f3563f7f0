"""SQuAD's nesting (articles, paragraphs, questions) as rows: one question with its context each.

Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822); CMRC 2018, DRCD, MLQA, XQuAD
and many others have the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anysize.core.errors import DataError

_PARAGRAPHS, _QUESTIONS = "paragraphs", "qas"


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
                found = dict(question)
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
