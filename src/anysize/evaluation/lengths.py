"""What receipts add up to, and accuracy against the size of the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.receipts import Receipt
from anysize.evaluation.intervals import Interval, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBin:
    """Records whose size lies in ``[low, high]``.

    ``one_window_accuracy`` is the one-window baseline's on the same records.
    """

    low: int
    high: int
    records: int
    accuracy: float
    interval: Interval
    one_window_accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        entries: dict[str, Any] = {
            "low": self.low,
            "high": self.high,
            "records": self.records,
            "accuracy": self.accuracy,
            "interval": self.interval.to_json(),
        }
        if self.one_window_accuracy is not None:
            entries["one_window_accuracy"] = self.one_window_accuracy
        return entries


class AccuracyBySize:
    """Accuracy in bins of doubling size: 1, 2, 3 to 4, 5 to 8, 9 to 16 and so on."""

    def __init__(self) -> None:
        self._records: Counter[int] = Counter()
        self._correct: Counter[int] = Counter()
        self._one_window: Counter[int] = Counter()

    def add(self, size: int, correct: bool, one_window_correct: bool | None) -> None:
        key = (size - 1).bit_length() if size > 0 else -1
        self._records[key] += 1
        self._correct[key] += correct
        self._one_window[key] += bool(one_window_correct)

    def bins(self, level: float, *, one_window: bool) -> tuple[LengthBin, ...]:
        """Occupied bins, smallest sizes first."""
        found = []
        for key in sorted(self._records):
            records, correct = self._records[key], self._correct[key]
            found.append(
                LengthBin(
                    low=_low(key),
                    high=1 << key if key >= 0 else 0,
                    records=records,
                    accuracy=correct / records,
                    interval=wilson(correct, records, level),
                    one_window_accuracy=self._one_window[key] / records if one_window else None,
                )
            )
        return tuple(found)


def doubling(
    sizes: NDArray[np.int64],
) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Bins of doubling size that are not empty, smallest sizes first.

    Args:
        sizes: of records, ``[records]``.

    Yields:
        The smallest and the largest size of a bin, and which records are in it, ``[records]``.
    """
    keys = np.ceil(np.log2(np.maximum(sizes, 1))).astype(int)
    for key in np.unique(keys).tolist():
        yield _low(key), 1 << key, keys == key


def _low(key: int) -> int:
    if key < 0:
        return 0
    return 1 if key == 0 else (1 << (key - 1)) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptSummary:
    """What was read of all evaluated records.

    Attributes:
        windows: model calls in all.
        mean_windows, most_windows: per record.
        longer_than_window: records that took more than one window.
        fully_covered: records of which everything was read.
        lowest_covered: the smallest covered share of any record.
        dropped: units that no window read, in all.
        largest_extent: of any record, in ``unit``.
        merge, fidelity: how many records had which.
        reasons: why records were not fully covered (at most 20 different ones are kept).
    """

    records: int
    unit: str
    windows: int
    mean_windows: float
    most_windows: int
    longer_than_window: int
    fully_covered: int
    lowest_covered: float
    dropped: int
    largest_extent: int
    merge: dict[str, int]
    fidelity: dict[str, int]
    reasons: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class ReceiptCounter:
    """Adds receipts up."""

    records: int = 0
    windows: int = 0
    most_windows: int = 0
    longer: int = 0
    covered: int = 0
    lowest: float = 1.0
    dropped: int = 0
    largest: int = 0
    units: Counter[str] = field(default_factory=Counter)
    merge: Counter[str] = field(default_factory=Counter)
    fidelity: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        self.records += 1
        self.windows += receipt.windows
        self.most_windows = max(self.most_windows, receipt.windows)
        self.longer += receipt.windows > 1
        self.covered += receipt.dropped == 0 and receipt.covered >= 1.0
        self.lowest = min(self.lowest, receipt.covered)
        self.dropped += receipt.dropped
        self.largest = max(self.largest, receipt.extent)
        self.units[receipt.unit] += 1
        self.merge[receipt.merge] += 1
        self.fidelity[receipt.fidelity] += 1
        if receipt.reason and (receipt.reason in self.reasons or len(self.reasons) < 20):
            self.reasons[receipt.reason] += 1

    def summary(self) -> ReceiptSummary:
        return ReceiptSummary(
            records=self.records,
            unit=", ".join(self.units),
            windows=self.windows,
            mean_windows=self.windows / max(self.records, 1),
            most_windows=self.most_windows,
            longer_than_window=self.longer,
            fully_covered=self.covered,
            lowest_covered=self.lowest,
            dropped=self.dropped,
            largest_extent=self.largest,
            merge=dict(self.merge),
            fidelity=dict(self.fidelity),
            reasons=dict(self.reasons),
        )
