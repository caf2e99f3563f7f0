"""Steps that choose among others: TrivialAugment, RandAugment and AugMix.

What they choose takes part in the plan like any other step: a rotation that RandAugment picks
becomes part of the crop's warp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anysize.augmentation.colour import brighter, contrasted, saturated
from anysize.augmentation.draws import Draws
from anysize.augmentation.local import sharpened
from anysize.augmentation.operations import (
    Canvas,
    Local,
    Operation,
    Pixels,
    moved,
    rotated,
    sheared,
)
from anysize.augmentation.parameters import number, whole
from anysize.augmentation.steps import CHANCE, Step
from anysize.augmentation.tables import equalized, posterized, solarized, stretched
from anysize.readers.parts import Part

PROVIDES = ("aug_mix", "rand_augment", "trivial_augment")

# What a signed or unsigned strength (0 to 1) comes to.
_Choice = Callable[[float, Canvas], Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """How far each of the fourteen operations goes at full strength.

    Attributes:
        shear: sidewards by downwards.
        translate: pixels, for a side of a picture in pixels.
        rotate: degrees.
        enhance: distance of the factor from 1.
        bits: fewest bits that posterizing keeps.
    """

    shear: float
    translate: Callable[[int], float]
    rotate: float
    enhance: float
    bits: int

    def choices(self) -> Mapping[str, _Choice | None]:
        """The operations by name; None changes nothing."""
        return {
            "identity": None,
            "shear_x": lambda strength, canvas: sheared(self.shear * strength, 0.0, canvas),
            "shear_y": lambda strength, canvas: sheared(0.0, self.shear * strength, canvas),
            "translate_x": lambda strength, canvas: moved(
                self.translate(canvas.width) * strength, 0.0, canvas
            ),
            "translate_y": lambda strength, canvas: moved(
                0.0, self.translate(canvas.height) * strength, canvas
            ),
            "rotate": lambda strength, canvas: rotated(self.rotate * strength, canvas),
            "brightness": lambda strength, _: brighter(1 + self.enhance * strength),
            "saturation": lambda strength, _: saturated(1 + self.enhance * strength),
            "contrast": lambda strength, _: contrasted(1 + self.enhance * strength),
            "sharpness": lambda strength, _: sharpened(1 + self.enhance * strength),
            "posterize": lambda strength, _: posterized(8 - round((8 - self.bits) * abs(strength))),
            "solarize": lambda strength, _: solarized(256 * (1 - abs(strength))),
            "autocontrast": lambda _strength, _canvas: stretched(),
            "equalize": lambda _strength, _canvas: equalized(),
        }


WIDE = Space(shear=0.99, translate=lambda side: 32 / 224 * side, rotate=135, enhance=0.99, bits=2)
"""TrivialAugment's wide space (Müller and Hutter 2021, table 6); moves scale with the picture."""

USUAL = Space(shear=0.3, translate=lambda side: 0.45 * side, rotate=30, enhance=0.9, bits=4)
"""RandAugment's space (Cubuk et al. 2020, section 3), moves as parts of the side."""

_BINS = 30


@dataclass(frozen=True, kw_only=True)
class TrivialAugment(Step):
    """One of fourteen operations at a random strength (Müller and Hutter 2021)."""

    name: ClassVar[str] = "trivial_augment"
    fuses: ClassVar[str] = "as chosen"
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        if draws.uniform() >= self.p:
            return ()
        return _chosen(WIDE, draws, canvas, draws.integer(_BINS + 1) / _BINS)


@dataclass(frozen=True, kw_only=True)
class RandAugment(Step):
    """Some of fourteen operations at a fixed strength (Cubuk et al. 2020)."""

    name: ClassVar[str] = "rand_augment"
    fuses: ClassVar[str] = "as chosen"
    count: int = field(default=2, metadata=whole("how many operations", 1, 14))
    magnitude: float = field(
        default=9.0, metadata=number("their strength; 30 is the full one", 0, 30)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        if draws.uniform() >= self.p:
            return ()
        found: tuple[Operation, ...] = ()
        for _ in range(self.count):
            found += _chosen(USUAL, draws, canvas, self.magnitude / _BINS)
        return found


@dataclass(frozen=True, kw_only=True)
class AugMix(Step):
    """Mixes some chains of one to three operations with the picture (Hendrycks et al. 2020).

    Made for classification: what moves differently lies over each other.
    """

    name: ClassVar[str] = "aug_mix"
    fuses: ClassVar[str] = "none"
    severity: float = field(
        default=3.0, metadata=number("strength of the operations; 10 is the full one", 0, 10)
    )
    chains: int = field(default=3, metadata=whole("how many chains", 1, 10))
    alpha: float = field(
        default=1.0,
        metadata=number("of the Dirichlet and Beta distributions of the weights", 0.05, 100),
    )
    p: float = field(default=1.0, metadata=CHANCE)

    _CHOSEN: ClassVar[tuple[str, ...]] = (
        "autocontrast", "equalize", "posterize", "rotate", "solarize", "shear_x", "shear_y",
        "translate_x", "translate_y",
    )  # fmt: skip

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        if draws.uniform() >= self.p:
            return ()
        numbers = draws.arrays()
        weights = numbers.dirichlet([self.alpha] * self.chains)
        changed = float(numbers.beta(self.alpha, self.alpha))
        drawn: list[list[Operation]] = []
        for _ in range(self.chains):
            depth = 1 + draws.integer(3)
            chain: list[Operation] = []
            for _ in range(depth):
                strength = draws.uniform(0.0, self.severity / 10)
                chain += _chosen(USUAL, draws, canvas, strength, self._CHOSEN)
            drawn.append(chain)
        return (Local(_mixing(canvas, drawn, (weights * changed).tolist()), blends=True),)


def _mixing(
    canvas: Canvas, chains: list[list[Operation]], weights: list[float]
) -> Callable[[Pixels], Pixels]:
    def run(pixels: Pixels) -> Pixels:
        from anysize.augmentation.execute import execute
        from anysize.augmentation.plan import Plan, fused

        found = pixels.astype(np.float32) * np.float32(1 - math.fsum(weights))
        for chain, weight in zip(chains, weights, strict=True):
            stages = fused(chain, "reflect")
            plan = Plan(extent=(canvas.width, canvas.height), stages=stages)
            found += execute(Part.whole(pixels), plan) * np.float32(weight)
        levels: Pixels = np.clip(np.rint(found), 0, 255).astype(np.uint8)
        return levels

    return run


def _chosen(
    space: Space,
    draws: Draws,
    canvas: Canvas,
    strength: float,
    names: tuple[str, ...] | None = None,
) -> tuple[Operation, ...]:
    choices = space.choices()
    names = names or tuple(choices)
    make = choices[names[draws.integer(len(names))]]
    signed = strength * draws.sign()
    return () if make is None else (make(signed, canvas),)


STEPS: tuple[type[Step], ...] = (AugMix, RandAugment, TrivialAugment)
