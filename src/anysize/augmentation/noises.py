"""Noise beside recordings, at a ratio to their level."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.convolution import Convolution

Samples: TypeAlias = NDArray[np.float32]

LOOKED_AT = 30
"""Seconds of a recording that its level is measured over."""
_BLOCK = 32_768
_TABLE = 1 << 20
_PINK = 8192
"""Samples of the kernel that makes pink noise; it is white below the rate divided by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Noise that is added to a recording.

    Attributes:
        seed: fixes it.
        pink: whether its power falls with the frequency, or is even.
        snr: decibels of the recording's first 30 seconds above it.
    """

    seed: int
    pink: bool
    snr: float

    def stream(self) -> Noise:
        """The noise, of power 1."""
        return Noise(self.seed, pink=self.pink)

    def spectra(self) -> Callable[[int, float, NDArray[np.complex64]], None]:
        """What fills the spectrum of a window with noise of its own, given its size and level."""
        random = np.random.Generator(np.random.SFC64(self.seed))
        table = _table().view(np.complex64)

        def fill(size: int, level: float, out: NDArray[np.complex64]) -> None:
            start = int(random.integers(max(len(table) - len(out), 1)))
            piece = table[start : start + len(out)]
            # A window that is longer than the table has it several times.
            out[:] = piece if len(piece) == len(out) else np.resize(piece, len(out))
            if self.pink:
                out *= _pink_response(size)
            # By Parseval's theorem the mean of the squares is then that of the level.
            energy = 2 * float(np.vdot(out, out).real)
            out *= np.float32(level * size / math.sqrt(energy))

        return fill

    def level(self, loud: float) -> float:
        """What noise of power 1 is multiplied with beside samples of a mean square."""
        return math.sqrt(loud / 10 ** (self.snr / 10))

    def added(self, blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
        """The samples with it; held against the noise that there is, so that the ratio is exact."""
        first, rest = opening(blocks, LOOKED_AT * rate)
        noise = self.stream()
        beside = noise.take(len(first))
        loud = power(first) / max(power(beside), np.finfo(np.float64).tiny)
        size = np.float32(self.level(loud))
        yield first + size * beside
        for block in chain((rest,), blocks):
            yield block + size * noise.take(len(block))


class Noise:
    """A stream of noise, the same one however it is taken.

    Blocks of it are pieces of one table of normal numbers, from places that are drawn, forwards or
    backwards: ten times as fast as drawing each number, and as white over the length of a block.

    Args:
        seed: fixes it.
        pink: whether its power falls with the frequency (1/f), or is even.
    """

    def __init__(self, seed: int, *, pink: bool) -> None:
        self._random = np.random.Generator(np.random.SFC64(seed))
        self._pink = Convolution(_pink_kernel()) if pink else None
        self._held = np.zeros(0, np.float32)
        if pink:
            self.take(_PINK)  # of these not all samples before are there

    def take(self, count: int) -> Samples:
        """The next samples, ``[count]``."""
        pieces, there = [self._held], len(self._held)
        while there < count:
            start, backwards = self._random.integers((_TABLE - _BLOCK, 2))
            block = _table()[start : start + _BLOCK]
            block = -block[::-1] if backwards else block
            pieces.append(block if self._pink is None else self._pink.add(block))
            there += len(pieces[-1])
        joined = np.concatenate(pieces)
        self._held = joined[count:].copy()
        return joined[:count]


@cache
def _table() -> NDArray[np.float32]:
    """Normal numbers, always the same ones."""
    random = np.random.Generator(np.random.SFC64(_TABLE))
    return random.standard_normal(_TABLE, np.float32)


@cache
def _pink_kernel() -> NDArray[np.float64]:
    """Coefficients of ``(1 - 1/z) ** -0.5``, whose power is 1/f."""
    places = np.arange(1, _PINK)
    kernel = np.concatenate([[1.0], np.cumprod((places - 0.5) / places)])
    found: NDArray[np.float64] = kernel / np.sqrt(np.square(kernel).sum())
    return found


@lru_cache(maxsize=64)
def _pink_response(size: int) -> NDArray[np.float32]:
    """What makes the spectrum of white noise one of pink noise of the same power."""
    lowest = max(size // _PINK, 1)
    places = np.maximum(np.arange(size // 2 + 1), lowest)
    found = np.sin(np.pi * places / size) ** -0.5
    return (found / math.sqrt(float(np.mean(np.square(found))))).astype(np.float32)


def power(samples: Samples) -> float:
    """The mean of the squares; 0 of no samples."""
    return float(np.dot(samples, samples)) / len(samples) if len(samples) else 0.0


def opening(blocks: Iterator[Samples], most: int) -> tuple[Samples, Samples]:
    """The first ``most`` samples, and those that came with them.

    Args:
        blocks: samples in order; as many are taken as are needed.
        most: how many; there may be less.
    """
    pieces, count = [np.zeros(0, np.float32)], 0
    for block in blocks:
        pieces.append(block)
        count += len(block)
        if count >= most:
            break
    joined = np.concatenate(pieces)
    return joined[:most], joined[most:]
