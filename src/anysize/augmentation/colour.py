"""Steps that map colours linearly: all in a row become one 3x4 matrix.

Each is what its name says on levels of 0 to 255; values are not rounded or clipped between them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.operations import LUMA, Canvas, Linear, Matrix
from anysize.augmentation.parameters import Range, number, span
from anysize.augmentation.steps import CHANCE, Step

PROVIDES = (
    "brightness", "channel_gain", "colour", "contrast", "grey", "hue", "invert", "saturation",
)  # fmt: skip

_ZERO = np.zeros(3)
_GREY = np.tile(LUMA, (3, 1))

# Luma and two colour differences (FCC 1953 YIQ): turning the two turns the hue and keeps the luma.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def brighter(factor: float) -> Linear:
    """Every level times a factor."""
    return Linear(np.eye(3) * factor, _ZERO)


def contrasted(factor: float) -> Linear:
    """The distance of every level from the mean grey times a factor."""
    return Linear(np.eye(3) * factor, _ZERO, _GREY * (1 - factor))


def saturated(factor: float) -> Linear:
    """The distance of every colour from its grey times a factor."""
    return Linear(np.eye(3) * factor + _GREY * (1 - factor), _ZERO)


def hue_turned(turns: float) -> Linear:
    """The hue turned by a part of the colour circle."""
    angle = 2 * math.pi * turns
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    mix: Matrix = _FROM_YIQ @ turn @ _TO_YIQ
    return Linear(mix, _ZERO)


def inverted() -> Linear:
    """The negative."""
    return Linear(-np.eye(3), np.full(3, 255.0))


@dataclass(frozen=True, kw_only=True)
class Colouring(Step):
    """A step that maps colours linearly."""

    fuses: ClassVar[str] = "matrix"

    @abstractmethod
    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Brightness(Colouring):
    """Multiplies all levels."""

    name: ClassVar[str] = "brightness"
    factor: Range = field(
        default=Range(0.6, 1.4), metadata=span("the factor", 0, 100, "around one")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (brighter(self.factor.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Contrast(Colouring):
    """Multiplies the distance of all levels from the picture's mean grey."""

    name: ClassVar[str] = "contrast"
    factor: Range = field(
        default=Range(0.6, 1.4), metadata=span("the factor", 0, 100, "around one")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (contrasted(self.factor.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Saturation(Colouring):
    """Multiplies the distance of all colours from their grey."""

    name: ClassVar[str] = "saturation"
    factor: Range = field(
        default=Range(0.6, 1.4), metadata=span("the factor; 0 is grey", 0, 100, "around one")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (saturated(self.factor.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Hue(Colouring):
    """Turns all colours about the axis of greys, in YIQ coordinates."""

    name: ClassVar[str] = "hue"
    turns: Range = field(
        default=Range(-0.1, 0.1), metadata=span("of the colour circle", -0.5, 0.5, "around zero")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (hue_turned(self.turns.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Grey(Colouring):
    """Takes the colour away, and keeps three channels."""

    name: ClassVar[str] = "grey"
    p: float = field(default=0.1, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        return (saturated(0.0),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class Invert(Colouring):
    """Makes the negative."""

    name: ClassVar[str] = "invert"
    p: float = field(default=0.1, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        return (inverted(),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class ChannelGain(Colouring):
    """Multiplies each channel by a factor of its own, as the colour of the light does."""

    name: ClassVar[str] = "channel_gain"
    factor: Range = field(
        default=Range(0.9, 1.1), metadata=span("the factor", 0, 100, "around one")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        gains = [self.factor.at(draws.uniform()) for _ in range(3)]
        return (Linear(np.diag(gains), _ZERO),)


@dataclass(frozen=True, kw_only=True)
class Colour(Colouring):
    """Changes brightness, then contrast, then saturation, each by up to an amount; and hue."""

    name: ClassVar[str] = "colour"
    amount: float = field(
        default=0.4, metadata=number("the factors are from 1 - amount to 1 + amount", 0, 1)
    )
    hue: float = field(
        default=0.0, metadata=number("turns the hue by up to this part of the circle", 0, 0.5)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Linear, ...]:
        if draws.uniform() >= self.p:
            return ()
        low, high = 1 - self.amount, 1 + self.amount
        found = (
            brighter(draws.uniform(low, high)),
            contrasted(draws.uniform(low, high)),
            saturated(draws.uniform(low, high)),
        )
        turns = draws.uniform(-self.hue, self.hue)
        return (*found, hue_turned(turns)) if self.hue else found


STEPS: tuple[type[Step], ...] = (
    Brightness, ChannelGain, Colour, Contrast, Grey, Hue, Invert, Saturation,
)  # fmt: skip
