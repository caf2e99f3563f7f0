"""Steps that map each level by itself: all in a row become one table of 256 levels a channel."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws
from anysize.augmentation.operations import Canvas, Histogram, Pixels, Table
from anysize.augmentation.parameters import Range, number, span
from anysize.augmentation.steps import CHANCE, Step

PROVIDES = ("autocontrast", "equalize", "gamma", "levels", "posterize", "solarize")

_LEVELS = np.arange(256)


def gamma_curve(exponent: float) -> Table:
    """``255 (level / 255) ** exponent``."""
    return Table(_rounded(255 * (_LEVELS / 255) ** exponent))


def posterized(bits: int) -> Table:
    """Only the upper bits of every level."""
    return Table((_LEVELS & (0xFF << (8 - bits)) & 0xFF).astype(np.uint8))


def solarized(threshold: float) -> Table:
    """Levels from a threshold on become their negatives."""
    return Table(np.where(threshold <= _LEVELS, 255 - _LEVELS, _LEVELS).astype(np.uint8))


def equalized() -> Table:
    """Every level occurs about equally often, in each channel."""
    return Table(measure=_equalizing)


def stretched() -> Table:
    """The darkest level of each channel becomes 0 and the lightest 255."""
    return Table(measure=_stretching)


def _rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    found: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return found


def _equalizing(histogram: Histogram) -> Pixels:
    """As Pillow's ``ImageOps.equalize``: the last occupied level does not count for the step."""
    found = np.tile(_LEVELS.astype(np.uint8), (3, 1))
    for channel, counts in enumerate(histogram):
        occupied = np.flatnonzero(counts)
        step = int(counts.sum() - counts[occupied[-1]]) // 255
        if len(occupied) > 1 and step:
            below = np.concatenate(([0], np.cumsum(counts[:-1])))
            found[channel] = np.minimum((step // 2 + below) // step, 255)
    return found


def _stretching(histogram: Histogram) -> Pixels:
    found = np.tile(_LEVELS.astype(np.uint8), (3, 1))
    for channel, counts in enumerate(histogram):
        occupied = np.flatnonzero(counts)
        low, high = int(occupied[0]), int(occupied[-1])
        if high > low:
            found[channel] = _rounded((_LEVELS - low) * (255.0 / (high - low)))
    return found


@dataclass(frozen=True, kw_only=True)
class Levelling(Step):
    """A step that maps each level by itself."""

    fuses: ClassVar[str] = "table"

    @abstractmethod
    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Gamma(Levelling):
    """Bends the levels: an exponent below 1 makes dark parts lighter."""

    name: ClassVar[str] = "gamma"
    exponent: Range = field(default=Range(0.7, 1.4), metadata=span("the exponent", 0.05, 20))
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (gamma_curve(self.exponent.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Posterize(Levelling):
    """Keeps only the upper bits of every level."""

    name: ClassVar[str] = "posterize"
    bits: Range = field(default=Range(4, 7), metadata=span("how many are kept", 1, 8))
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        if draws.uniform() >= self.p:
            return ()
        low, high = round(self.bits.low), round(self.bits.high)
        return (posterized(low + draws.integer(high - low + 1)),)


@dataclass(frozen=True, kw_only=True)
class Solarize(Levelling):
    """Turns levels from a threshold on into their negatives."""

    name: ClassVar[str] = "solarize"
    threshold: Range = field(default=Range(128, 255), metadata=span("the threshold", 0, 256))
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (solarized(self.threshold.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Equalize(Levelling):
    """Makes all levels of a channel about equally frequent."""

    name: ClassVar[str] = "equalize"
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        return (equalized(),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class Autocontrast(Levelling):
    """Stretches the levels of each channel to the whole range."""

    name: ClassVar[str] = "autocontrast"
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        return (stretched(),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class Levels(Levelling):
    """Moves the black and the white point of each channel by itself."""

    name: ClassVar[str] = "levels"
    black: float = field(
        default=0.1,
        metadata=number("the black point moves by up to this part of the range", 0, 0.45),
    )
    white: float = field(
        default=0.1,
        metadata=number("the white point moves by up to this part of the range", 0, 0.45),
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Table, ...]:
        if draws.uniform() >= self.p:
            return ()
        found = []
        for _ in range(3):
            low = 255 * draws.uniform(-self.black, self.black)
            high = 255 * (1 + draws.uniform(-self.white, self.white))
            found.append(_rounded((_LEVELS - low) * (255 / (high - low))))
        return (Table(np.stack(found)),)


STEPS: tuple[type[Step], ...] = (Autocontrast, Equalize, Gamma, Levels, Posterize, Solarize)
