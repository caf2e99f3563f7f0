"""Examples and batches: arrays ready for a model, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.receipts import Facts
from anysize.core.windows import Window

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
_NOTHING: Arrays = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window's arrays, unpadded.

    Attributes:
        ordinal: position of the record in this run (0, 1, 2 … in input order).
        window: what part of the record it is.
        arrays: model inputs by name: ``input_ids`` int32 ``[length]`` for text;
            and, where its model takes them, others of that length (``token_type_ids``);
            ``pixels`` uint8 ``[height, width, 3]`` for pictures (normalised by the execution);
            ``features`` float32 ``[width]`` or ``[steps, width]`` for numbers;
            ``frames`` float32 ``[frames, width]`` for recordings. In training there
            may be the window's own targets beside them (``boxes``, …).
        cost: tokens, pixels, steps or samples; what the batch budget counts. A vector costs 1.
        facts: on a record's last window, what reading the record showed, for its receipt.
        aside: arrays that the model does not read, for the merger, which gets them with the
            outputs, and for the loss: where characters of tokens are, the window's own targets.
    """

    ordinal: int
    window: Window
    arrays: Arrays
    cost: int
    facts: Facts | None = None
    aside: Arrays = field(default_factory=lambda: _NOTHING)


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
class Ragged:
    """Rows that differ in length, side by side in one array without padding.

    Attributes:
        values: ``[total, ...]``; the rows in order.
        lengths: of each row, int64 ``[rows]``; their sum is ``total``.
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]
    _stops: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stops = np.cumsum(self.lengths, dtype=np.int64)
        total = int(stops[-1]) if len(stops) else 0
        if total != len(self.values):
            raise ValueError(f"the rows have {total} values together, not {len(self.values)}")
        object.__setattr__(self, "_stops", stops)

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> Ragged:
        """The rows, of which there is at least one; they may differ in their first axis alone."""
        return cls(np.concatenate(rows), np.array([len(row) for row in rows], np.int64))

    @classmethod
    def unpadded(cls, padded: NDArray[Any], lengths: NDArray[np.int64]) -> Ragged:
        """The first ``lengths[i]`` values of each row of ``padded`` ``[rows, longest, ...]``."""
        return cls(padded[np.arange(padded.shape[1]) < lengths[:, None]], lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> NDArray[Any]:
        """A view of one row."""
        stop = int(self._stops[row])
        return self.values[stop - int(self.lengths[row]) : stop]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def take(self, order: NDArray[np.intp]) -> Ragged:
        """The rows at these places, in this order."""
        return Ragged.of([self[row] for row in order.tolist()])

    def finite(self) -> NDArray[np.bool_]:
        """For each row whether all of its numbers are finite; an empty one is."""
        sound = np.isfinite(self.values).all(tuple(range(1, self.values.ndim)))
        unsound = np.concatenate(([0], np.cumsum(~sound)))
        found: NDArray[np.bool_] = unsound[self._stops] == unsound[self._stops - self.lengths]
        return found


Rows: TypeAlias = NDArray[Any] | Ragged
"""One row an example: an array whose first axis is the example, or rows that differ in length."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a runtime returns for a batch: by name one row an example, and no padding.

    Of classifiers ``logits`` float32 ``[n, classes]``, and ``scores`` float32 ``[n]`` where the
    model has learned attention pooling. Values per token or step are `Ragged`: each row is as long
    as its example.
    """

    arrays: Mapping[str, Rows]

    @classmethod
    def joined(cls, parts: Sequence[Outputs], order: NDArray[np.intp] | None = None) -> Outputs:
        """The rows of all parts, in the order of the parts, or then taken in ``order``."""
        found = {name: _joined([part.arrays[name] for part in parts]) for name in parts[0].arrays}
        if order is None:
            return cls(found)
        return cls(
            {
                name: rows.take(order) if isinstance(rows, Ragged) else rows[order]
                for name, rows in found.items()
            }
        )

    def row(self, index: int) -> dict[str, NDArray[Any]]:
        """One example's values, by name."""
        return {name: rows[index] for name, rows in self.arrays.items()}

    def finite(self) -> NDArray[np.bool_]:
        """For each example whether all of its numbers are finite."""
        found: NDArray[np.bool_] = np.logical_and.reduce(
            [
                rows.finite()
                if isinstance(rows, Ragged)
                else np.isfinite(rows.reshape(len(rows), -1)).all(1)
                for rows in self.arrays.values()
            ]
        )
        return found


def _joined(parts: Sequence[Rows]) -> Rows:
    if isinstance(parts[0], Ragged):
        return Ragged.of([row for part in parts for row in part])
    return np.concatenate([part for part in parts if not isinstance(part, Ragged)])
