"""Whether data are wanted with objects; light, since every opening of data asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from anysize.sources.columns import ColumnSpec, Request

ROLE = "objects"
"""The role of a task's column that the objects of a picture fill."""


def wants_objects(request: Request) -> bool:
    """Whether the task is about objects in pictures."""
    return any(spec.role == ROLE for spec in request.roles)


def without_objects(roles: Sequence[ColumnSpec]) -> tuple[ColumnSpec, ...]:
    """The columns for prediction: pictures are found as annotations name them, which are not read.

    A faulty annotation then costs nothing.
    """
    return tuple(
        dataclasses.replace(spec, kind="value") if spec.role == ROLE else spec for spec in roles
    )
