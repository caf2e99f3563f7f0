"""From drawn operations to as few passes over the pixels as they need.

- Geometric operations in a row are one matrix. Where the border is the picture's own, they also
  move before colour matrices that measure nothing: a warp and such a matrix give the same in either
  order, up to rounding and clipping.
- Colour matrices in a row are one matrix, tables in a row one table.
- What looks beyond single pixels stays as it is, and the order is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import numpy as np

from anysize.augmentation.draws import Draw, rows
from anysize.augmentation.geometry import Border
from anysize.augmentation.operations import (
    IDENTITY,
    Canvas,
    Geometry,
    Linear,
    Local,
    Matrix,
    Operation,
    Table,
    window,
)
from anysize.augmentation.steps import Step

_LEVELS_OF = {"black": 0, "grey": 128, "white": 255}


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables one after the other."""

    parts: tuple[Table, ...]


Stage: TypeAlias = Geometry | Linear | Tables | Local


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to one picture.

    Attributes:
        extent: ``(width, height)`` of the picture before.
        stages: what is done, in this order.
        border: ``reflect``, ``edge``, or the level that is seen beyond the picture.
    """

    extent: tuple[int, int]
    stages: tuple[Stage, ...]
    border: str | int = "reflect"

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of the picture after."""
        for stage in reversed(self.stages):
            if isinstance(stage, Geometry):
                return stage.width, stage.height
        return self.extent

    @property
    def matrix(self) -> Matrix:
        """All geometry as one 3x3 matrix, elastic bending left out."""
        matrices = [stage.matrix for stage in self.stages if isinstance(stage, Geometry)]
        return reduce(lambda found, matrix: matrix @ found, matrices) if matrices else IDENTITY

    @property
    def blends(self) -> bool:
        """Whether differently moved copies are laid over each other."""
        return any(isinstance(stage, Local) and stage.blends for stage in self.stages)


def make_plan(
    steps: Sequence[Step],
    extent: tuple[int, int],
    draw: Draw,
    size: tuple[int, int] | None = None,
) -> Plan:
    """Draws the steps' random numbers and fuses what they come to.

    Args:
        steps: in order.
        extent: ``(width, height)`` of the picture.
        draw: what fixes the random numbers.
        size: ``(width, height)`` of the result; None leaves it to the steps.

    Raises:
        ConfigurationError: a step needs the wanted size, which is not known.
    """
    operations: list[Operation] = []
    width, height = extent
    border: str | int = "reflect"
    for step, draws in zip(steps, rows(draw, len(steps)), strict=True):
        if isinstance(step, Border):
            border = _LEVELS_OF.get(step.fill, step.fill)
            continue
        for operation in step.draw(draws, Canvas(width, height, size)):
            operations.append(operation)
            if isinstance(operation, Geometry):
                width, height = operation.width, operation.height
    if size is not None and (width, height) != size:
        operations.append(window(0.0, 0.0, width, height, *size))
    return Plan(extent=extent, stages=fused(operations, border), border=border)


def fused(operations: Sequence[Operation], border: str | int) -> tuple[Stage, ...]:
    """As few stages as do the same."""
    stages: list[Stage] = []
    for operation in operations:
        last = stages[-1] if stages else None
        if isinstance(operation, Geometry):
            _add_geometry(stages, operation, isinstance(border, str))
        elif isinstance(operation, Table):
            if isinstance(last, Tables):
                stages[-1] = Tables((*last.parts, operation))
            else:
                stages.append(Tables((operation,)))
        elif isinstance(operation, Linear) and isinstance(last, Linear):
            stages[-1] = last.then(operation)
        else:
            stages.append(operation)
    return tuple(stage for stage in stages if not _does_nothing(stage))


def _add_geometry(stages: list[Stage], operation: Geometry, own_border: bool) -> None:
    place = len(stages)
    # A level beyond the border would be coloured with the picture.
    while own_border and place and _measures_nothing(stages[place - 1]):
        place -= 1
    before = stages[place - 1] if place else None
    if isinstance(before, Geometry):
        stages[place - 1] = before.then(operation)
    else:
        stages.insert(place, operation)


def _measures_nothing(stage: Stage) -> bool:
    return isinstance(stage, Linear) and stage.pull is None


def _does_nothing(stage: Stage) -> bool:
    return (
        isinstance(stage, Linear)
        and stage.pull is None
        and not stage.shift.any()
        and np.array_equal(stage.mix, IDENTITY)
    )
