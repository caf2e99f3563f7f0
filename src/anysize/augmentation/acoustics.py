"""Steps that change how recordings sound: their speed, the room, and the band that is heard."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws
from anysize.augmentation.linear import Linear
from anysize.augmentation.parameters import Range, span
from anysize.augmentation.sounds import Change, SoundStep
from anysize.augmentation.speeds import sizes_for
from anysize.augmentation.steps import CHANCE, Step

PROVIDES = ("high_pass", "low_pass", "reverb", "speed", "telephone")

_PARTS = 1000
"""A speed within half of one of so many parts of 1 is none."""
_TELEPHONE = (300.0, 3400.0)


@dataclass(frozen=True, kw_only=True)
class Speed(SoundStep):
    """Plays a recording faster or slower, by resampling: its length and its pitch change."""

    name: ClassVar[str] = "speed"
    factor: Range = field(
        default=Range(0.9, 1.1),
        metadata=span("1 changes nothing, 2 halves the length", 0.5, 2, "around one"),
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        speed = self.factor.at(draws.uniform())
        return None if round(_PARTS * speed) == _PARTS else Linear(sizes=sizes_for(speed))


@dataclass(frozen=True, kw_only=True)
class Reverb(SoundStep):
    """Adds the echo of a room: convolution with noise that decays exponentially.

    The power stays the same on average; what would sound after the end is left out.
    """

    name: ClassVar[str] = "reverb"
    seconds: Range = field(
        default=Range(0.1, 0.6), metadata=span("until the echo is 60 decibels softer", 0.01, 2)
    )
    direct: Range = field(
        default=Range(0.0, 12.0),
        metadata=span("decibels of the direct sound above the echo", -20, 60),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        seconds = self.seconds.at(draws.uniform())
        direct = self.direct.at(draws.uniform())
        seed = draws.integer(2**53)

        return Linear(kernels=(lambda rate: (room(seconds, direct, rate, seed), 0),))


@dataclass(frozen=True, kw_only=True)
class LowPass(SoundStep):
    """Takes away what is above a frequency."""

    name: ClassVar[str] = "low_pass"
    hertz: Range = field(default=Range(1000.0, 4000.0), metadata=span("the frequency", 100, 48_000))
    p: float = field(default=0.5, metadata=CHANCE)

    def problem(self, rate: int) -> str:
        if self.hertz.low < rate / 2:
            return ""
        return (
            f"has no effect from {self.hertz.low:g} Hz on: at {rate} samples a second there is "
            f"nothing above {rate / 2:g} Hz; give a lower one"
        )

    def change(self, draws: Draws) -> Change | None:
        return _band(draws, self.p, None, self.hertz)


@dataclass(frozen=True, kw_only=True)
class HighPass(SoundStep):
    """Takes away what is below a frequency."""

    name: ClassVar[str] = "high_pass"
    hertz: Range = field(default=Range(50.0, 400.0), metadata=span("the frequency", 20, 1000))
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        return _band(draws, self.p, self.hertz, None)


@dataclass(frozen=True, kw_only=True)
class Telephone(SoundStep):
    """Leaves what a telephone lets through, from 300 to 3400 Hz."""

    name: ClassVar[str] = "telephone"
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        low, high = _TELEPHONE
        return _band(draws, self.p, Range(low, low), Range(high, high))


def room(seconds: float, direct: float, rate: int, seed: int) -> NDArray[np.float64]:
    """The impulse response of a made-up room, whose energy is 1.

    Args:
        seconds: until the echo has fallen by 60 decibels, where it ends.
        direct: decibels of the direct sound above the echo.
        rate: samples a second.
        seed: fixes the noise.
    """
    count = math.ceil(seconds * rate)
    noise = np.random.Generator(np.random.SFC64(seed)).standard_normal(count)
    echo = noise * 10 ** (-3 * np.arange(1, count + 1) / (seconds * rate))
    echo *= math.sqrt(10 ** (-direct / 10) / float(np.square(echo).sum()))
    found: NDArray[np.float64] = np.concatenate([[1.0], echo])
    return found / math.sqrt(1 + 10 ** (-direct / 10))


def band(low: float | None, high: float | None, rate: int) -> NDArray[np.float64]:
    """A filter of 50 ms that moves no phases: windowed sincs, its middle in the middle.

    Args:
        low: edge in Hz, where half of the amplitude is left; None has none.
        high: the same above.
        rate: samples a second.
    """
    half = rate // 40
    found = np.zeros(2 * half + 1)
    if high is None or high >= rate / 2:
        found[half] = 1.0
    else:
        found += _low_pass(high, half, rate)
    if low is not None:
        found -= _low_pass(low, half, rate)
    return found


def _low_pass(hertz: float, half: int, rate: int) -> NDArray[np.float64]:
    places = np.arange(-half, half + 1)
    kernel = np.sinc(2 * hertz / rate * places) * np.hamming(2 * half + 1)
    found: NDArray[np.float64] = kernel / kernel.sum()
    return found


def _band(draws: Draws, p: float, low: Range | None, high: Range | None) -> Change | None:
    if draws.uniform() >= p:
        return None
    part = draws.uniform()
    edges = [None if edge is None else edge.at(part) for edge in (low, high)]

    return Linear(kernels=(lambda rate: (band(edges[0], edges[1], rate), rate // 40),))


STEPS: tuple[type[Step], ...] = (HighPass, LowPass, Reverb, Speed, Telephone)
