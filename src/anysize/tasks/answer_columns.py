"""The columns of question answering, as they are found in data."""

from __future__ import annotations

from anysize.sources import ColumnSpec


def _as_written(cell: str) -> str | None:
    return cell if cell.strip() else None


CONTEXT = ColumnSpec(
    role="context",
    kind="text",
    names=("context", "passage", "paragraph", "document", "article", "text"),
    shared=True,
)
QUESTION = ColumnSpec(
    role="question", kind="text", names=("question", "query"), required=False, repeated=True
)
ANSWER = ColumnSpec(
    role="answers",
    kind="target",
    names=("answers", "answers.text", "answer", "answer.text", "answer_text", "gold_answers"),
    required=False,
    folders=False,
    reading=_as_written,
)
START = ColumnSpec(
    role="answer_start",
    kind="value",
    names=("answer_start", "answers.answer_start", "answer.answer_start", "answers.start"),
    required=False,
)
IMPOSSIBLE = ColumnSpec(
    role="is_impossible",
    kind="value",
    names=("is_impossible", "impossible", "unanswerable"),
    required=False,
)
# No part of the context, and known as no text that was forgotten.
TITLE = ColumnSpec(role="title", kind="value", names=("title",), required=False)
COLUMNS = (CONTEXT, QUESTION, ANSWER, START, IMPOSSIBLE, TITLE)
