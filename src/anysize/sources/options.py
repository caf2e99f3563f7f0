"""Options of data: where they are, what their columns are called, and what is kept for testing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import REQUIRED, Options, Together, option


def _leave_some(validation: float, test: float) -> str | None:
    if validation + test < 1:
        return None
    return f"and test together must leave records for training, not {validation:g} + {test:g}"


def _differ(labels: tuple[str, ...]) -> str | None:
    if len(set(labels)) == len(labels):
        return None
    return f"must differ from each other, not {labels!r}"


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Where the data are, how they are read, and how they are divided."""

    table: ClassVar[str] = "data"
    together: ClassVar[tuple[Together, ...]] = (Together(("validation", "test"), _leave_some),)

    data: str | tuple[str, ...] = option(
        REQUIRED,
        key="paths",
        flag=None,
        filled=True,
        help="Training data: a file, a folder or a pattern such as 'data/*.csv', or several.",
    )
    columns: Mapping[str, str] = option(
        {},
        metavar="ROLE=COLUMN,…",
        help="Columns of a table by role, such as text=review,label=stars.",
        automatic="found by their usual names",
    )
    labels: tuple[str, ...] | None = option(
        None,
        filled=True,
        check=_differ,
        metavar="NAME,…",
        automatic="taken from the data",
        help="Class names in the order of the model's outputs, such as no,yes.",
    )
    encoding: str = option("utf-8", help="Encoding of text files and tables, such as gb18030.")
    validation: float = option(
        0.1,
        low=0,
        below=1,
        metavar="FRACTION",
        help="Fraction of the records kept for validation, if the data have no such split.",
    )
    test: float = option(
        0.1,
        low=0,
        below=1,
        metavar="FRACTION",
        help="Fraction of the records kept for testing, if the data have no such split.",
    )
    augment: str = option(
        "auto",
        metavar="SPEC",
        help="Augmentation of training data: a policy or a list of steps (anysize list "
        "augmentations), none, or auto for the task's default.",
    )
