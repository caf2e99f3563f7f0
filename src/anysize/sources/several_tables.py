"""Several tables of one folder: those that fit the task, each table once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from anysize.core.errors import ColumnError, DataError
from anysize.core.records import Record, Source
from anysize.sources.columns import Request
from anysize.sources.content import record_content
from anysize.sources.folder_findings import tell_passed_over

_SUBMISSION = re.compile(r"(sample|example|gender)?[ _-]*submission", re.IGNORECASE)
_REJECTED = re.compile("(in|un)validated", re.IGNORECASE)
_COPY = re.compile(r"([ _-]*\(\d+\)|[ _-]*copy)+$")
_COMPARED = 200
_ENOUGH = 20
"""Rows of tables of different names that are not the same by chance."""

Opener = Callable[[Path, Request], Source]


def open_tables(folder: Path, paths: list[Path], request: Request, opener: Opener) -> list[Source]:
    """The tables of a folder that have the columns that the task needs.

    A table that lacks them is left out, with a finding, if another has them; so are a sample
    submission as Kaggle gives it, a table that is there twice in different formats, and what was
    rejected where another table is called ``validated`` (Common Voice). Where
    labels are needed, so are tables without a label column beside tables with one.

    Args:
        folder: for messages.
        paths: of the tables, in order; not empty.
        request: what is wanted; takes the findings.
        opener: opens one file.

    Raises:
        DataError: no table fits, or one is damaged.
    """
    samples = [path for path in paths if _SUBMISSION.fullmatch(path.stem)]
    if len(samples) == len(paths):
        samples = []
    named = {path.stem.lower() for path in paths}
    rejected = [p for p in paths if "validated" in named and _REJECTED.fullmatch(p.stem)]
    opened: dict[Path, Source] = {}
    lacking: dict[Path, DataError] = {}
    for path in paths:
        if path in samples or path in rejected:
            continue
        try:
            opened[path] = opener(path, request)
        except ColumnError as error:
            lacking[path] = error
    if not opened:
        raise next(iter(lacking.values()))
    tell_passed_over(
        folder, "tables-submission", samples, "they are the form of a submission", request
    )
    why = "their names say that they were rejected, or not looked at; others are validated"
    tell_passed_over(folder, "tables-rejected", rejected, why, request, "name those that are meant")
    tell_passed_over(
        folder,
        "tables-without-column",
        lacking,
        "they lack a column that the task needs: "
        + "; ".join(error.problem.partition(". ")[0] for error in list(lacking.values())[:1]),
        request,
        "name the columns with --columns, or move the files elsewhere",
    )
    for path in _unlabelled(opened, request):
        del opened[path]
        tell_passed_over(
            folder, "tables-unlabelled", [path], "they have no column of labels", request
        )
    for path, other in _twice(opened).items():
        del opened[path]
        tell_passed_over(
            folder,
            "table-twice",
            [path],
            f"they hold the same rows as {other.name}",
            request,
        )
    return list(opened.values())


def has_labels(source: Source) -> bool | None:
    """Whether a source has a column or folders of labels; None where that cannot be said."""
    roles = getattr(source, "roles", None)
    if roles is not None:
        wanted = getattr(source, "target_role", None)
        return None if wanted is None else wanted in roles
    parts = getattr(source, "parts", None)
    if parts:
        found = [has_labels(part) for part in parts]
        return None if None in found else any(found)
    labelled = getattr(source, "labelled", None)
    return None if labelled is None else bool(labelled)


def _unlabelled(opened: dict[Path, Source], request: Request) -> list[Path]:
    if not request.labelled or not request.of_kind("target"):
        return []
    without = [path for path, source in opened.items() if has_labels(source) is False]
    return without if len(without) < len(opened) else []


def _twice(opened: dict[Path, Source]) -> dict[Path, Path]:
    """Tables that hold the same records as an earlier one, by path."""
    found: dict[Path, Path] = {}
    paths = list(opened)
    for place, path in enumerate(paths):
        for other in paths[:place]:
            alike = _stem(path) == _stem(other) or len(opened[path]) >= _ENOUGH
            if alike and other not in found and _same(opened[other], opened[path]):
                found[path] = other
                break
    return found


def _stem(path: Path) -> str:
    """A name without what copying a file adds to it."""
    return _COPY.sub("", path.name.partition(".")[0].lower())


def _same(one: Source, other: Source) -> bool:
    size = len(one)
    if size != len(other) or size < 2:
        return False
    step = max(size // _COMPARED, 1)
    return all(
        _told(one, index) == _told(other, index) for index in [*range(0, size, step), size - 1]
    )


def _told(source: Source, index: int) -> object:
    try:
        record: Record = source[index]
        return record_content(record), record.target
    except DataError as error:
        return error.problem
