"""Examples and batches: arrays ready for a model, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.receipts import Facts
from anysize.core.windows import Window

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window's arrays, unpadded.

    Attributes:
        ordinal: position of the record in this run (0, 1, 2 … in input order).
        window: what part of the record it is.
        arrays: model inputs by name: ``input_ids`` int32 ``[length]`` for text;
            ``pixels`` uint8 ``[height, width, 3]`` for pictures (normalised by the execution);
            ``features`` float32 ``[width]`` or ``[steps, width]`` for numbers. In training there
            may be the window's own targets beside them (``boxes``, …).
        cost: tokens, pixels or steps; what the batch budget counts. A vector costs 1.
        facts: on a record's last window, what reading the record showed, for its receipt.
    """

    ordinal: int
    window: Window
    arrays: Arrays
    cost: int
    facts: Facts | None = None


def same_shapes(examples: Sequence[Example], name: str) -> list[list[int]]:
    """Places of the examples in groups whose arrays of that name are of one shape.

    All are one group where the first has no array of that name.
    """
    if name not in examples[0].arrays:
        return [list(range(len(examples)))]
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, example in enumerate(examples):
        groups.setdefault(example.arrays[name].shape, []).append(place)
    return list(groups.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A record that could not be read; the run goes on."""

    ordinal: int
    record: str
    problem: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of one or many records that the model runs together."""

    examples: Sequence[Example]

    @property
    def cost(self) -> int:
        return sum(example.cost for example in self.examples)

    @property
    def padded_cost(self) -> int:
        """What it costs when every example is padded to the largest."""
        return len(self.examples) * max(example.cost for example in self.examples)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a runtime returns for a batch: arrays whose first axis is the example.

    Of classifiers ``logits`` float32 ``[n, classes]``, and ``scores`` float32 ``[n]`` where the
    model has learned attention pooling.
    """

    arrays: Mapping[str, NDArray[np.float32]]

    def row(self, index: int) -> dict[str, NDArray[np.float32]]:
        return {name: array[index] for name, array in self.arrays.items()}

    def finite(self) -> NDArray[np.bool_]:
        """For each example whether all of its numbers are finite."""
        rows = [np.isfinite(array.reshape(len(array), -1)).all(1) for array in self.arrays.values()]
        found: NDArray[np.bool_] = np.logical_and.reduce(rows)
        return found
