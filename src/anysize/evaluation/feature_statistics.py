"""What a dataset of numbers looks like, in one pass and bounded memory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import FeaturesField, Source
from anysize.evaluation.common_counts import Common
from anysize.evaluation.sketches import Distribution, LengthSketch, Numbers
from anysize.evaluation.statistics import DataStatistics
from anysize.readers.cells import Cells
from anysize.readers.values import as_text

MOST_COLUMNS = 1000
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStatistics(DataStatistics):
    """A dataset of vectors or sequences.

    Attributes:
        widths: numbers of a vector, or of each step.
        steps: lengths of the sequences; 1 for a vector.
        numbers: by column or place, of at most 1000 features, where all records have as many.
    """

    widths: Distribution
    steps: Distribution
    numbers: Mapping[str, Numbers]

    def to_json(self) -> dict[str, Any]:
        return {
            **DataStatistics.to_json(self),
            "widths": self.widths.to_json(),
            "steps": self.steps.to_json(),
            "numbers": {name: asdict(entry) for name, entry in self.numbers.items()},
        }


def feature_statistics(
    source: Source,
    *,
    role: str = "features",
    limit: int | None = None,
) -> FeatureStatistics:
    """Reads every record once, a block of steps at a time.

    Args:
        source: where the records come from.
        role: the field to look at.
        limit: look at only so many records, evenly spread over the source.

    Raises:
        ConfigurationError: ``limit`` is below 1.
    """
    common, moments = Common(), _Moments()
    widths, steps = LengthSketch(), LengthSketch()
    for index, record in common.readable(source, limit):
        try:
            field = record.features(role)
            digest = _read(field, moments)
        except DataError as error:
            common.failed(record.id, error)
            continue
        common.add(index, record, digest)
        widths.add(len(field.cells) if isinstance(field, Cells) else field.shape[-1])
        steps.add(field.shape[0] if len(field.shape) == 2 else 1)
    return FeatureStatistics(
        **common.fields(source),
        widths=widths.distribution(),
        steps=steps.distribution(),
        numbers=moments.numbers(),
    )


def _read(field: FeaturesField, moments: _Moments) -> int:
    if isinstance(field, Cells):
        moments.add(field.numbers()[None], field.names)
        text = "\0".join(map(as_text, field.cells.values()))
        hasher = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8)
        return int.from_bytes(hasher.digest(), "little")
    shape = field.shape
    hasher = hashlib.blake2b(repr(shape).encode(), digest_size=8)
    step = max(_BLOCK // max(shape[-1] if len(shape) == 2 else 1, 1), 1)
    step = step if len(shape) == 2 else shape[0] or 1
    for start in range(0, shape[0], step):
        values = field.read(start, start + step)
        hasher.update(np.ascontiguousarray(values).tobytes())
        moments.add(values.reshape(-1, shape[-1]).astype(np.float64), field.names)
    return int.from_bytes(hasher.digest(), "little")


class _Moments:
    """Running minimum, maximum, sum and sum of squares of each feature; NaN is missing."""

    def __init__(self) -> None:
        self._sums: list[NDArray[np.float64]] | None = None
        self._names: tuple[str, ...] = ()
        self._width: int | None = None
        self._mixed = False
        # Rows are added many at once: the arithmetic of one takes less than asking for it.
        self._waiting: list[NDArray[np.float64]] = []
        self._values = 0

    def add(self, values: NDArray[np.float64], names: tuple[str, ...]) -> None:
        """Takes rows of features."""
        if self._mixed or values.shape[1] > MOST_COLUMNS:
            return
        if self._width is None:
            self._width, self._names = values.shape[1], names
        if self._width != values.shape[1]:
            self._mixed = True
            return
        self._waiting.append(values)
        self._values += values.size
        if self._values >= _BLOCK:
            self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)
        self._waiting, self._values = [], 0
        found = [
            np.fmin.reduce(values, axis=0),
            np.fmax.reduce(values, axis=0),
            np.nansum(values, axis=0),
            np.nansum(values**2, axis=0),
            (~np.isnan(values)).sum(axis=0),
        ]
        if self._sums is None:
            self._sums = found
            return
        low, high, total, squares, counts = self._sums
        self._sums = [
            np.fmin(low, found[0]),
            np.fmax(high, found[1]),
            total + found[2],
            squares + found[3],
            counts + found[4],
        ]

    def numbers(self) -> dict[str, Numbers]:
        self._settle()
        if self._sums is None or self._mixed:
            return {}
        names = self._names or tuple(str(place) for place in range(len(self._sums[0])))
        found = {}
        for name, low, high, total, squares, count in zip(names, *self._sums, strict=True):
            if not count:
                continue
            mean = float(total) / float(count)
            spread = max(float(squares) / float(count) - mean**2, 0.0)
            found[name] = Numbers(
                low=float(low), high=float(high), mean=mean, deviation=math.sqrt(spread)
            )
        return found
