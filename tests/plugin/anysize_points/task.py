"""Point classification: the class of a set of points of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.windows import Window
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.classification import LABEL, Classification
from anysize.windows.spans import SpanCutter
from anysize_points.settings import PointSettings

PROVIDES = ("point-classification",)
ARCHITECTURE = Architecture(auto="AutoModel", suffixes=("ForPointClassification",))


class PointClassification(Classification):
    """Windows along the points, whose logits are pooled."""

    name = "point-classification"
    role = "points"
    unit = "points"
    columns = (ColumnSpec(role="points", kind="points", names=("points", "cloud")), LABEL)
    augmentation = "none"

    def preprocess(self, network: Network, *, augment: Any = None, seed: int = 0) -> Any:
        return PointPreprocess(network.reads(PointSettings))


class PointPreprocess:
    """A record's points to examples, holding two windows at most and what was read at once."""

    def __init__(self, settings: PointSettings) -> None:
        self._settings = settings

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        settings = self._settings
        field: Any = record.fields["points"]
        cutter = SpanCutter(settings.window, settings.overlap)
        held, first, count, index = np.zeros((0, 3), np.float32), 0, 0, 0
        for chunk in field.chunks():
            held, count = np.concatenate([held, chunk]), count + len(chunk)
            for region, core in cutter.grow(count):
                yield self._example(ordinal, record, index, region, core, held, first, last=False)
                held, first = held[region.start - first :], region.start
                index += 1
        if count < 2:
            raise DataError(field.origin, f"must have at least 2 points, not {count}")
        for region, core in cutter.finish():
            last = region.stop == count and core.stop == count
            yield self._example(ordinal, record, index, region, core, held, first, last=last)
            index += 1

    def _example(
        self, ordinal: int, record: Record, index: int, region: Any, core: Any,
        held: Any, first: int, *, last: bool,
    ) -> Example:  # fmt: skip
        window = Window(record=record.id, index=index, region=region, core=core, last=last)
        points = np.ascontiguousarray(held[region.start - first : region.stop - first])
        return Example(ordinal=ordinal, window=window, arrays={"points": points}, cost=len(points))


def make(name: str) -> PointClassification:
    """The task."""
    return PointClassification()
