"""Random numbers that are fixed by (seed, epoch, record, window) and by nothing else."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np

Draw: TypeAlias = tuple[int, int, str, int]
"""Seed, epoch, record id and window index."""

_ROW = 16


def generator(draw: Draw) -> np.random.Generator:
    """A random generator that depends on the draw alone."""
    return np.random.Generator(
        np.random.Philox(
            key=int.from_bytes(hashlib.blake2b(_text(draw), digest_size=16).digest(), "little")
        )
    )


def rows(draw: Draw, count: int) -> list[Draws]:
    """The numbers of each of ``count`` steps; those of a step do not depend on later steps."""
    # Drawn from the hash itself, because making a generator takes longer than small pictures do.
    bits = np.frombuffer(hashlib.shake_128(_text(draw)).digest(8 * _ROW * count), dtype="<u8")
    uniform = (bits >> np.uint64(11)) * 2.0**-53
    return [Draws(row) for row in uniform.reshape(count, _ROW).tolist()]


def _text(draw: Draw) -> bytes:
    seed, epoch, record, window = draw
    return f"{seed}\0{epoch}\0{record}\0{window}".encode()


class Draws:
    """The random numbers of one step.

    Args:
        row: uniform numbers in [0, 1) that come first; when they are used up, more follow from a
            generator that depends on them.
    """

    __slots__ = ("_more", "_next", "_row")

    def __init__(self, row: list[float]) -> None:
        self._row = row
        self._next = 0
        self._more: np.random.Generator | None = None

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        if self._next == len(self._row):
            self._row = self.arrays().random(4 * _ROW).tolist()
            self._next = 0
        value = self._row[self._next]
        self._next += 1
        return low + (high - low) * value

    def integer(self, count: int) -> int:
        """A whole number from 0 to below ``count``."""
        return int(self.uniform() * count)

    def sign(self) -> float:
        """-1 or 1."""
        return -1.0 if self.uniform() < 0.5 else 1.0

    def arrays(self) -> np.random.Generator:
        """A generator for whole arrays of numbers."""
        if self._more is None:
            seed = [int(value * 2**53) for value in self._row[:4]]
            self._more = np.random.Generator(np.random.SFC64(seed))
        return self._more
