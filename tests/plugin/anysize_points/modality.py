"""Points: sets of points in space, in windows along their order."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.modalities.parts import BATCH, LENGTH, GraphInput
from anysize.modalities.protocols import Modality
from anysize.modalities.settings import Settings
from anysize.models.network import Network
from anysize_points.field import PointsField, points_of
from anysize_points.settings import PointOptions, PointSettings

PROVIDES = ("points",)


class Points(Modality):
    """See the module. Sets of one size are run together, others apart: none is padded."""

    key = "points"
    settings = PointSettings
    options = PointOptions
    noun = "point set"
    suffixes = frozenset({".xyz"})
    main_input = "points"
    one_shape = "points"

    def file(self, path: Path, *, encoding: str = "utf-8") -> PointsField:
        return PointsField(path, str(path))

    def holds(self, cell: Any) -> bool:
        return not (isinstance(cell, str) and cell.strip().endswith(".xyz"))

    def cells(
        self, cells: Mapping[str, Any], origin: str, notes: Sequence[str] = ()
    ) -> PointsField | None:
        ((column, cell),) = cells.items()
        if not cell:
            return None
        try:
            return points_of(json.loads(cell) if isinstance(cell, str) else cell, origin)
        except ValueError as error:
            raise DataError(origin, f"has no points in the column {column!r}: {error}") from error

    def memory(self, item: Any, origin: str) -> PointsField:
        return points_of(item, origin)

    def is_one(self, item: Any, axes: int) -> bool:
        return getattr(item, "ndim", None) == 2

    def changed(self, network: Network, wishes: PointOptions) -> Settings:
        given = {name: value for name, value in dataclasses.asdict(wishes).items() if value}
        return dataclasses.replace(network.reads(PointSettings), **given)

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        return {"settings": PointSettings()}

    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        random = np.random.default_rng(0)
        found = []
        for ordinal, cost in enumerate(costs):
            points = random.standard_normal((max(cost, 2), 3), np.float32)
            span = Span(0, len(points))
            window = Window(record=f"probe-{ordinal}", index=0, region=span, core=span, last=True)
            arrays = {"points": points}
            found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=len(points)))
        return found

    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        return (GraphInput("points", (BATCH, LENGTH, 3), np.float32, least=2),)


def make(key: str) -> Points:
    """The modality."""
    return Points()
