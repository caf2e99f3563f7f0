"""Steps that change how loud recordings are, and what is heard beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.linear import Linear
from anysize.augmentation.noises import LOOKED_AT, Added, opening
from anysize.augmentation.parameters import Range, span, word
from anysize.augmentation.sounds import Blocks, Change, SoundStep
from anysize.augmentation.steps import CHANCE, Step

PROVIDES = ("background_noise", "clip", "gain")


@dataclass(frozen=True, kw_only=True)
class Gain(SoundStep):
    """Makes a recording louder or softer; samples may go beyond 1."""

    name: ClassVar[str] = "gain"
    decibels: Range = field(
        default=Range(-6.0, 6.0), metadata=span("by how much", -60, 60, "around zero")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        return Linear(factor=10 ** (self.decibels.at(draws.uniform()) / 20))


@dataclass(frozen=True, kw_only=True)
class Clip(SoundStep):
    """Cuts off what is louder than a part of the peak, as an overloaded microphone does."""

    name: ClassVar[str] = "clip"
    part: Range = field(
        default=Range(0.3, 0.9),
        metadata=span("of the highest level of the first 30 seconds", 0.01, 1),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        part = self.part.at(draws.uniform())

        def run(blocks: Blocks, rate: int) -> Blocks:
            first, rest = opening(blocks, LOOKED_AT * rate)
            limit = np.float32(part * float(np.abs(first).max(initial=0.0)))
            for block in chain((first, rest), blocks):
                yield np.clip(block, -limit, limit)

        return run


@dataclass(frozen=True, kw_only=True)
class BackgroundNoise(SoundStep):
    """Adds white or pink noise at a ratio of signal to noise."""

    name: ClassVar[str] = "background_noise"
    snr: Range = field(
        default=Range(10.0, 40.0),
        metadata=span("decibels of the first 30 seconds above the noise", -20, 100),
    )
    colour: str = field(
        default="either",
        metadata=word("of the noise; pink has less of high pitches", ("white", "pink", "either")),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def change(self, draws: Draws) -> Change | None:
        if draws.uniform() >= self.p:
            return None
        snr = self.snr.at(draws.uniform())
        pink = self.colour == "pink" or (self.colour == "either" and draws.uniform() < 0.5)
        return Linear(noise=Added(seed=draws.integer(2**53), pink=pink, snr=snr))


STEPS: tuple[type[Step], ...] = (BackgroundNoise, Clip, Gain)
