"""No pooling: each window's own label, with its place in the record.

The record's prediction is the commonest label; ``regions`` lists every window's core. What is
held grows with the number of windows, as the result itself does: 52 bytes a window.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anysize.core.activations import softmax
from anysize.core.protocols import Merger
from anysize.core.receipts import Receipt, Unit
from anysize.core.results import Result
from anysize.core.windows import Box, Window
from anysize.mergers.coverage import Coverage
from anysize.mergers.pool import Decide

PROVIDES = ("grid",)


class GridMerger:
    """Lists the windows' labels.

    Args:
        record: the record's id.
        labels: class names in the order of the logits.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, labels: Sequence[str], unit: Unit) -> None:
        self._record = record
        self._labels = labels
        self._coverage = Coverage(unit)
        self._counts = np.zeros(len(labels), np.int64)
        self._places = array("q")
        self._pages = array("l")
        self._best = array("l")
        self._scores = array("f")

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        share = softmax(np.asarray(output["logits"], dtype=np.float64))
        best = int(share.argmax())
        core = window.core
        place = (
            (core.top, core.left, core.bottom, core.right)
            if isinstance(core, Box)
            else (core.start, 0, core.stop, 0)
        )
        self._coverage.add(window)
        self._counts[best] += 1
        self._places.extend(place)
        self._pages.append(window.page)
        self._best.append(best)
        self._scores.append(float(share[best]))

    def finish(self) -> Result:
        commonest = int(self._counts.argmax())
        receipt = self._coverage.receipt("grid", "local")
        return Result(
            id=self._record,
            prediction=self._labels[commonest],
            score=float(self._counts[commonest] / self._counts.sum()),
            receipt=receipt,
            details={"regions": self._regions(receipt)},
        )

    def _regions(self, receipt: Receipt) -> list[dict[str, Any]]:
        """In reading order: by page, by the top and the left of the core, or by its start."""
        places = np.frombuffer(self._places, np.int64).reshape(-1, 4)
        pages = np.frombuffer(self._pages, np.dtype("l"))
        order = np.lexsort((places[:, 1], places[:, 0], pages))
        regions = []
        for row in order.tolist():
            top, left, bottom, right = (int(value) for value in places[row])
            core = [top, bottom] if receipt.shape is None else [left, top, right, bottom]
            regions.append(
                {
                    **({"page": int(pages[row]) + 1} if self._coverage.pages > 1 else {}),
                    "core": core,
                    "label": self._labels[self._best[row]],
                    "score": round(self._scores[row], 4),
                }
            )
        return regions


def make(
    record: str,
    labels: Sequence[str],
    rule: str,
    unit: Unit,
    *,
    keep_first: bool = False,
    decide: Decide | None = None,
) -> Merger:
    """The merger of one record; windows have one label each."""
    return GridMerger(record, labels, unit)
