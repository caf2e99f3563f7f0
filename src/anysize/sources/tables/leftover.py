"""Findings about the columns of a table that are not used."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from anysize.modalities import is_content, load
from anysize.sources.columns import Request, Role
from anysize.sources.rows import Row, shown_names

_MOST = 20
_WORDS = 3
_CHARACTERS = 16
# Names of columns that hold a second text of a task on pairs.
_TEXTS = frozenset({
    "question", "title", "context", "premise", "hypothesis", "sentence1", "sentence2", "text1",
    "text2", "query", "passage", "answer", "description", "summary", "headline", "body",
})  # fmt: skip


def report_unused(
    name: str,
    columns: Sequence[str],
    roles: Sequence[Role],
    used: Collection[str],
    rows: Iterable[Row],
    request: Request,
) -> None:
    """Notes every column that plays no role; a warning where it holds what the task reads.

    Args:
        name: the table, for examples.
        columns: all of them.
        roles: that are played.
        used: the columns that play them.
        rows: some of the table's rows.
        request: takes the findings.
    """
    left = [column for column in columns if column not in used]
    if len(left) > _MOST:
        request.findings.add(
            "column-left-out",
            f"{len(left)} columns of {name} are not used ({shown_names(left, 10)})",
            level="note",
            count=len(left),
            unit="columns",
        )
        return
    text = next((role for role in roles if _is_joined(role.spec.kind)), None)
    sample = list(itertools.islice(rows, _MOST)) if text is not None and left else []
    for column in left:
        known = column.strip().lower()
        instead = next((role for role in roles if _names(role, known) and role is not text), None)
        if instead is not None and known not in map(str.lower, text.spec.names if text else ()):
            request.findings.add(
                "column-left-out",
                f"the column {column!r} is not used: {instead.column!r} is read as "
                f"{instead.spec.role}",
                level="note",
                unit="tables",
                examples=[name],
                remedy=f"to read it instead, give --columns {instead.spec.role}={column}",
            )
            continue
        # Who names the column of the texts has chosen it among those that there are, and a model
        # reads what it was trained with.
        cells = [row.get(column) for row in sample]
        likely = (
            text is not None
            and text.spec.role not in request.columns
            and not text.spec.settled
            and (
                known in _TEXTS
                or (known in map(str.lower, text.spec.names) and _has_letters(cells))
                or _reads_like_text(cells)
            )
        )
        remedy = ""
        if text is not None and likely:
            several = "+".join(text.several or (text.column,))
            remedy = f"to read both, give --columns {text.spec.role}={several}+{column}"
        request.findings.add(
            "column-left-out",
            f"the column {column!r} is not used" + (", although it holds text" if likely else ""),
            level="warning" if likely else "note",
            unit="tables",
            examples=[name],
            remedy=remedy,
        )


def _names(role: Role, column: str) -> bool:
    """Whether a column's name, in lower case, is one that the role is usually found by."""
    return bool(role.column) and column in map(str.lower, (role.spec.role, *role.spec.names))


def _reads_like_text(cells: Sequence[Any]) -> bool:
    """Whether cells are sentences rather than names, numbers or dates."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    if not texts or len(texts) * 2 < len(cells):
        return False
    words = sum(len(text.split()) for text in texts) / len(texts)
    return words >= _WORDS and sum(map(len, texts)) / len(texts) >= _CHARACTERS


def _has_letters(cells: Sequence[Any]) -> bool:
    """Whether some cell holds more than numbers, dates and signs."""
    return any(isinstance(cell, str) and any(map(str.isalpha, cell)) for cell in cells)


def _is_joined(kind: str) -> bool:
    """Whether several columns may be read one after the other, as text is."""
    return is_content(kind) and load(kind).joined
