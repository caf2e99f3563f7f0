"""Windows of numbers: a vector as it is, a sequence along its steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import FeaturesField
from anysize.core.windows import Span
from anysize.windows.spans import spans


class FeatureWindows:
    """Cuts a field of numbers into what a model reads at once.

    A sequence with more steps than ``steps`` is cut along time; one with fewer than ``least`` gets
    zeros behind its end, which belong to no core. A vector has one window.

    Args:
        width: numbers of a vector, or of each step.
        steps: the most steps of a window; 0 for vectors.
        least: the fewest steps that the model takes.
        overlap: steps that neighbours share.
        names: the order in which the model wants numbers that have names.
    """

    def __init__(
        self,
        *,
        width: int,
        steps: int = 0,
        least: int = 1,
        overlap: int = 0,
        names: tuple[str, ...] = (),
    ) -> None:
        self._width, self._steps, self._least = width, steps, least
        self._overlap, self._names = overlap, names

    def stream(
        self, field: FeaturesField
    ) -> Iterator[tuple[Span, Span, NDArray[np.float32], bool]]:
        """Region, core, numbers ``[width]`` or ``[steps, width]``, and whether it is the last.

        Raises:
            DataError: the numbers do not have the model's shape, or a name is missing.
        """
        shape, order = field.shape, self._order(field)
        has = shape[-1] if order is None else len(order)
        if not self._steps:
            yield self._vector(field, shape, has, order)
            return
        if len(shape) == 1 and self._width == 1:
            has = 1
        elif len(shape) != 2:
            raise self._problem(field, shape)
        if has != self._width:
            raise self._problem(field, shape)
        if shape[0] == 0:
            raise DataError(field.origin, "is an empty sequence: there is nothing to read")
        for region, core in spans(shape[0], self._steps, self._overlap):
            values = field.read(region.start, region.stop).reshape(region.size, -1)
            if order is not None:
                values = values[:, order]
            if len(values) < self._least:
                padded = np.zeros((self._least, self._width), np.float32)
                padded[: len(values)] = values
                values = padded
            yield region, core, np.ascontiguousarray(values), core.stop == shape[0]

    def _vector(
        self, field: FeaturesField, shape: tuple[int, ...], has: int, order: list[int] | None
    ) -> tuple[Span, Span, NDArray[np.float32], bool]:
        if has != self._width or (len(shape) == 2 and shape[0] != 1):
            raise self._problem(field, shape)
        values = field.read(0, shape[0]).reshape(-1)
        if order is not None:
            values = values[order]
        whole = Span(0, self._width)
        return whole, whole, np.ascontiguousarray(values), True

    def _order(self, field: FeaturesField) -> list[int] | None:
        """Where the model's features are among the field's; None where they are in order."""
        if not self._names or not field.names or field.names == self._names:
            return None
        places = {name: place for place, name in enumerate(field.names)}
        missing = [name for name in self._names if name not in places]
        if missing:
            raise DataError(
                field.origin,
                f"lacks the columns {', '.join(missing[:10])} that the model was trained with; it "
                f"has {', '.join(field.names[:20])}",
            )
        return [places[name] for name in self._names]

    def _problem(self, field: FeaturesField, shape: tuple[int, ...]) -> DataError:
        wanted = f"(steps, {self._width})" if self._steps else f"({self._width},)"
        return DataError(
            field.origin, f"has numbers of the shape {shape}, and the model reads {wanted}"
        )
