"""One embedding for a record: the direction of the sum of its windows' directions.

Each window's unit vector counts by the extent of its core, so that every pixel or sample counts
once. What the vector is compared with is no business of the merger: see ``anysize.recognition``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("embedding",)


def direction(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector at length one; a vector of zeros stays as it is."""
    length = np.sqrt(np.dot(vector, vector))
    return vector / length if length else vector


class EmbeddingMerger:
    """Joins one record's embeddings.

    The result's prediction is the unit vector, a list of floats; its score is the length of the
    mean of the windows' unit vectors, 1.0 where all windows agree.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit) -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._sum: NDArray[np.float64] | None = None
        self._weight = 0.0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        weight = float(max(window.core.size, 1))
        weighted = weight * direction(np.asarray(output["embeddings"], dtype=np.float64))
        self._sum = weighted if self._sum is None else self._sum + weighted
        self._weight += weight

    def finish(self) -> Result:
        if self._sum is None:
            raise RuntimeError(f"record {self._record!r} was finished before any window")
        mean = self._sum / self._weight
        return Result(
            id=self._record,
            prediction=[round(float(value), 7) for value in direction(mean)],
            score=float(np.sqrt(np.dot(mean, mean))),
            receipt=self._coverage.receipt("embedding", "approximate"),
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return EmbeddingMerger(record, unit)
