"""The order in which records are visited: a seeded permutation that needs no memory.

Epoch ``e`` visits the records in the order of a pseudo-random permutation keyed by
``(seed, e)``. Global step ``s`` takes the next ``batch`` places of it, and worker ``r`` of
``W`` takes every ``W``-th of those, starting at ``r``. What a run has to remember is therefore
three integers (`Cursor`), and they mean the same whatever the number of workers, reader threads
or micro-batches.

The permutation is a generalised Feistel cipher on a rectangle of ``rows x columns >= records``
places (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002): rounds add a
keyed function of one coordinate to the other, and a result outside ``[0, records)`` is
enciphered again until it falls inside (cycle walking). The rectangle exceeds the records by less
than one row, so that walking is rare. The round function is the finaliser of SplitMix64 (Steele,
Lea and Flood, OOPSLA 2014) with round keys from BLAKE2b.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.mixing import finalised, finalised_number

_ROUNDS = 8


def mix(*values: int | str) -> int:
    """A 63-bit seed made of the given values; equal for equal values, on every machine."""
    text = "\0".join(str(value) for value in values).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little") >> 1


class Permutation:
    """A bijection of ``[0, records)`` onto itself, computed place by place.

    Args:
        records: how many there are; at least 1.
        seed: which family of orders.
        epoch: which of them.
    """

    def __init__(self, records: int, seed: int, epoch: int) -> None:
        if not 1 <= records < 1 << 62:
            raise ConfigurationError(
                f"records must be from 1 to below 2^62, not {records}; is the training split empty?"
            )
        self.records = records
        self._columns = isqrt(records - 1) + 1
        self._rows = -(-records // self._columns)
        self._keys = [mix("order", seed, epoch, number) for number in range(_ROUNDS)]

    def __call__(self, place: int) -> int:
        """The record visited at ``place``."""
        if not 0 <= place < self.records:
            raise IndexError(f"place must be from 0 to {self.records - 1}, not {place}")
        value = self._once(place)
        while value >= self.records:
            value = self._once(value)
        return value

    def block(self, start: int, stop: int) -> NDArray[np.int64]:
        """The records visited at places ``[start, stop)``, in order."""
        if not 0 <= start <= stop <= self.records:
            raise IndexError(f"block must lie inside [0, {self.records}), not [{start}, {stop})")
        values = self._all(np.arange(start, stop, dtype=np.uint64))
        (outside,) = np.nonzero(values >= self.records)
        while len(outside):
            values[outside] = self._all(values[outside])
            outside = outside[values[outside] >= self.records]
        return values.astype(np.int64)

    def _once(self, value: int) -> int:
        row, column = divmod(value, self._columns)
        for number, key in enumerate(self._keys):
            if number % 2:
                row = (row + finalised_number(column + key)) % self._rows
            else:
                column = (column + finalised_number(row + key)) % self._columns
        return row * self._columns + column

    def _all(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        columns, rows = np.uint64(self._columns), np.uint64(self._rows)
        row, column = np.divmod(values, columns)
        for number, key in enumerate(self._keys):
            # The addends are reduced first: a sum of two 64-bit numbers would wrap around.
            if number % 2:
                row = (row + finalised(column + np.uint64(key)) % rows) % rows
            else:
                column = (column + finalised(row + np.uint64(key)) % columns) % columns
        return row * columns + column


class Strata:
    """Classes of records that are visited equally often, whatever their sizes.

    Place ``p`` of an epoch's permutation takes a record of class ``p mod classes``; within a class
    its records are visited in turns, each turn in another order. So the visit to a place is a
    function of seed, epoch and place alone, as without classes.

    Args:
        classes: of each record, from 0, int32 ``[records]``; 12 bytes a record are held.
    """

    def __init__(self, classes: NDArray[np.int32]) -> None:
        self._members = np.argsort(classes, kind="stable").astype(np.int64)
        self._sizes = np.bincount(classes)
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])

    def records(self, visits: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
        """The records at the places of an epoch's permutation."""
        classes = len(self._sizes)
        found = np.empty_like(visits)
        for place, visit in enumerate(visits.tolist()):
            rank, each = divmod(visit, classes)
            size = int(self._sizes[each])
            turn, inner = divmod(rank, size)
            order = Permutation(size, mix("stratum", seed, each, turn), epoch)
            found[place] = self._members[self._starts[each] + order(inner)]
        return found


class BalancedPermutation:
    """An epoch's visits with the classes of the records visited equally often.

    Args:
        permutation: of as many places as there are records.
        strata: the classes.
        seed: of the permutation.
        epoch: the same.
    """

    def __init__(self, permutation: Permutation, strata: Strata, seed: int, epoch: int) -> None:
        self._permutation, self._strata = permutation, strata
        self._seed, self._epoch = seed, epoch

    def block(self, start: int, stop: int) -> NDArray[np.int64]:
        """The records visited at places ``[start, stop)``, in order."""
        visits = self._permutation.block(start, stop)
        return self._strata.records(visits, self._seed, self._epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What has been committed: all that is needed to go on from here.

    Attributes:
        epoch: the epoch under way, from 0.
        place: how many of its records are committed.
        step: optimizer steps made since the start of the run.
    """

    epoch: int = 0
    place: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The places ``[start, stop)`` of an epoch's permutation that one step takes."""

    step: int
    epoch: int
    start: int
    stop: int

    def share(self, worker: int, workers: int) -> range:
        """The places that fall to one worker."""
        return range(self.start + worker, self.stop, workers)

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Cuts the epochs of a training set into steps.

    Attributes:
        records: size of the training set.
        batch: records a step, over all workers; the last step of an epoch takes what is left.
        seed: of the permutations.
        strata: classes that are visited equally often; None visits every record once an epoch.
    """

    records: int
    batch: int
    seed: int
    strata: Strata | None = None

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.records // self.batch)

    def permutation(self, epoch: int) -> Permutation | BalancedPermutation:
        """Which record is visited at which place of an epoch."""
        plain = Permutation(self.records, self.seed, epoch)
        if self.strata is None:
            return plain
        return BalancedPermutation(plain, self.strata, self.seed, epoch)

    def block(self, cursor: Cursor) -> Block:
        """What the next step takes."""
        stop = min(cursor.place + self.batch, self.records)
        return Block(step=cursor.step, epoch=cursor.epoch, start=cursor.place, stop=stop)

    def after(self, block: Block) -> Cursor:
        """The cursor once ``block`` is committed."""
        if block.stop == self.records:
            return Cursor(epoch=block.epoch + 1, place=0, step=block.step + 1)
        return Cursor(epoch=block.epoch, place=block.stop, step=block.step + 1)

    def indices(self, cursor: Cursor, worker: int, workers: int) -> Iterator[tuple[int, int]]:
        """``(place, record index)`` for one worker, from the cursor to the end of the epoch."""
        permutation = self.permutation(cursor.epoch)
        for start in range(cursor.place, self.records, self.batch):
            stop = min(start + self.batch, self.records)
            visited = permutation.block(start, stop)[worker::workers]
            yield from zip(range(start + worker, stop, workers), visited.tolist(), strict=True)
