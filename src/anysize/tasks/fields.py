"""The fields of a task: which of them is windowed, and what modality it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize import modalities

if TYPE_CHECKING:
    from anysize.modalities.protocols import Modality
    from anysize.sources import ColumnSpec
    from anysize.tasks.protocols import Task


def windowed(task: Task) -> ColumnSpec:
    """The column of the field that is windowed."""
    return next(spec for spec in task.columns if spec.role == task.role)


def modality_of(task: Task) -> Modality:
    """The modality of the field that is windowed."""
    return modalities.load(windowed(task).kind)
