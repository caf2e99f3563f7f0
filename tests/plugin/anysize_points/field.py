"""Points that are read as a stream: a file ``.xyz`` of any size, or an array in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError

_ROWS = 4096


class PointsField:
    """Points ``[n, 3]``, float32.

    Args:
        content: a file with ``x y z`` a line, or an array.
        origin: what messages call it.
    """

    def __init__(self, content: Path | NDArray[np.float32], origin: str) -> None:
        self._content = content
        self.origin = origin

    @property
    def size_hint(self) -> int:
        """About how many points there are, known without reading them."""
        if isinstance(self._content, Path):
            return max(self._content.stat().st_size // 24, 1)
        return len(self._content)

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """The points in order, some thousands at a time.

        Raises:
            DataError: a line is no point.
        """
        if not isinstance(self._content, Path):
            for start in range(0, len(self._content), _ROWS):
                yield self._content[start : start + _ROWS]
            return
        rows: list[tuple[float, ...]] = []
        with self._content.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                rows.append(self._point(line, number))
                if len(rows) == _ROWS:
                    yield np.array(rows, np.float32)
                    rows = []
        if rows:
            yield np.array(rows, np.float32)

    def _point(self, line: str, number: int) -> tuple[float, ...]:
        try:
            point = tuple(map(float, line.split()))
        except ValueError:
            point = ()
        if len(point) != 3 or not all(map(math.isfinite, point)):
            raise DataError(
                self.origin, f"line {number} must be three numbers, x y z, not {line.strip()!r:.60}"
            )
        return point


def points_of(item: object, origin: str) -> PointsField:
    """Something in memory as points.

    Raises:
        ConfigurationError: it is neither a path nor numbers ``[n, 3]``.
    """
    if isinstance(item, str | Path):
        return PointsField(Path(item), str(item))
    try:
        points = np.asarray(item, np.float32)
    except (TypeError, ValueError):
        points = np.zeros(0, np.float32)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ConfigurationError(f"{origin} must be a path or points of the shape [n, 3]")
    return PointsField(points, origin)
