"""The fields of a task: which is cut into windows, which is repeated in each, their modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from anysize import modalities

if TYPE_CHECKING:
    from anysize.modalities.protocols import Modality
    from anysize.sources import ColumnSpec
    from anysize.tasks.protocols import Task


def windowed(task: Task) -> ColumnSpec:
    """The column of the field that is windowed."""
    return next(spec for spec in task.columns if spec.role == task.role)


def repeated(columns: Iterable[ColumnSpec]) -> ColumnSpec:
    """That of a task's columns whose field is repeated in each window.

    Raises:
        StopIteration: there is none.
    """
    return next(spec for spec in columns if spec.repeated)


def reading(task: Task) -> Mapping[str, str]:
    """How each field is read, in a few words, by its name; none where records are no windows."""
    if not modality_of(task).strings:
        return {}
    beside = {spec.role: "repeated in each window" for spec in task.columns if spec.repeated}
    return {task.role: "cut into windows", **beside}


def modality_of(task: Task) -> Modality:
    """The modality of the field that is windowed."""
    return modalities.load(windowed(task).kind)
