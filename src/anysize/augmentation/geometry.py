"""Steps that move pixels: all in a row become one matrix and one warp."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.operations import (
    Canvas,
    Geometry,
    Matrix,
    around_centre,
    mirrored,
    moved,
    quarter_turned,
    rotated,
    sheared,
    window,
)
from anysize.augmentation.parameters import Range, picture_size, span, whole, word
from anysize.augmentation.steps import CHANCE, Step
from anysize.core.errors import ConfigurationError

PROVIDES = (
    "border", "crop", "hflip", "letterbox", "perspective", "quarter_turn", "random_resized_crop",
    "resize", "rotate", "scale", "shear", "shift", "translate", "vflip",
)  # fmt: skip

BORDERS = ("reflect", "edge", "black", "grey", "white")


@dataclass(frozen=True, kw_only=True)
class Warp(Step):
    """A step that moves pixels."""

    fuses: ClassVar[str] = "warp"

    @abstractmethod
    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Border(Step):
    """Says what is seen where a warp looks beyond the picture; holds for the whole list."""

    name: ClassVar[str] = "border"
    fuses: ClassVar[str] = "warp"
    fill: str = field(
        default="reflect",
        metadata=word("the picture mirrored, its edge repeated, or a level", BORDERS),
    )

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Rotate(Warp):
    """Turns the picture about its middle, counter-clockwise."""

    name: ClassVar[str] = "rotate"
    degrees: Range = field(
        default=Range(-30, 30), metadata=span("the angle", -360, 360, "around zero")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (rotated(self.degrees.at(draws.uniform()), canvas),)


@dataclass(frozen=True, kw_only=True)
class Scale(Warp):
    """Enlarges or shrinks what is seen, about the middle; the size in pixels stays."""

    name: ClassVar[str] = "scale"
    factor: Range = field(
        default=Range(0.8, 1.2),
        metadata=span("the factor, above 1 enlarges", 0.01, 100, "around one"),
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        factor = self.factor.at(draws.uniform())
        return (around_centre((factor, 0.0, 0.0, factor), canvas),)


@dataclass(frozen=True, kw_only=True)
class Translate(Warp):
    """Moves the picture by parts of its sides."""

    name: ClassVar[str] = "translate"
    x: Range = field(
        default=Range(-0.1, 0.1),
        metadata=span("to the right, as a part of the width", -1, 1, "around zero"),
    )
    y: Range = field(
        default=Range(-0.1, 0.1),
        metadata=span("down, as a part of the height", -1, 1, "around zero"),
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        across, down = self.x.at(draws.uniform()), self.y.at(draws.uniform())
        return (moved(across * canvas.width, down * canvas.height, canvas),)


@dataclass(frozen=True, kw_only=True)
class Shift(Warp):
    """Moves the picture by whole pixels, which keeps every pixel's value."""

    name: ClassVar[str] = "shift"
    reach: Range = field(
        default=Range(0.125, 0.125), metadata=span("how far at most, as a part of each side", 0, 1)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        reach = self.reach.at(draws.uniform())
        across, down = int(canvas.width * reach), int(canvas.height * reach)
        x, y = draws.integer(2 * across + 1) - across, draws.integer(2 * down + 1) - down
        return (moved(float(x), float(y), canvas),)


@dataclass(frozen=True, kw_only=True)
class Shear(Warp):
    """Moves rows sidewards, and columns up or down, the further from the middle the more."""

    name: ClassVar[str] = "shear"
    x: Range = field(
        default=Range(-10, 10), metadata=span("of the rows, in degrees", -80, 80, "around zero")
    )
    y: Range = field(
        default=Range(0, 0), metadata=span("of the columns, in degrees", -80, 80, "around zero")
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        across, down = self.x.at(draws.uniform()), self.y.at(draws.uniform())
        return (sheared(math.tan(math.radians(across)), math.tan(math.radians(down)), canvas),)


@dataclass(frozen=True, kw_only=True)
class HorizontalFlip(Warp):
    """Left and right change places."""

    name: ClassVar[str] = "hflip"
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        return (mirrored(canvas, left_right=True),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class VerticalFlip(Warp):
    """Top and bottom change places."""

    name: ClassVar[str] = "vflip"
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        return (mirrored(canvas, left_right=False),) if draws.uniform() < self.p else ()


@dataclass(frozen=True, kw_only=True)
class QuarterTurn(Warp):
    """Turns by 0, 1, 2 or 3 quarters counter-clockwise, or by a fixed number of them."""

    name: ClassVar[str] = "quarter_turn"
    turns: int = field(default=-1, metadata=whole("how many, -1 draws", -1, 3))
    p: float = field(default=1.0, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (quarter_turned(draws.integer(4) if self.turns < 0 else self.turns, canvas),)


@dataclass(frozen=True, kw_only=True)
class Perspective(Warp):
    """Looks at the picture askew: each corner moves inwards, by its own random part."""

    name: ClassVar[str] = "perspective"
    distortion: Range = field(
        default=Range(0.3, 0.3),
        metadata=span("how far at most, as a part of half the sides", 0, 0.95),
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if draws.uniform() >= self.p:
            return ()
        reach = self.distortion.at(draws.uniform()) / 2
        width, height = float(canvas.width), float(canvas.height)
        corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        parts = np.array([[draws.uniform(), draws.uniform()] for _ in range(4)])
        moved_corners = corners + inwards * parts * reach * (width, height)
        return (Geometry(projection(corners, moved_corners), canvas.width, canvas.height),)


@dataclass(frozen=True, kw_only=True)
class Crop(Warp):
    """Cuts a piece out; where the picture is smaller, the border shows around it."""

    name: ClassVar[str] = "crop"
    size: int | tuple[int, int] | None = field(
        default=None, metadata=picture_size("of the piece; the model's input if not given")
    )
    place: str = field(default="random", metadata=word("where it is cut", ("random", "centre")))

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        width, height = given(self.size, canvas, self.name)
        across, down = canvas.width - width, canvas.height - height
        # A picture that is too small comes to lie in the middle.
        drawn = self.place == "random"
        left = draws.integer(across + 1) if drawn and across > 0 else across // 2
        top = draws.integer(down + 1) if drawn and down > 0 else down // 2
        return (window(left, top, width, height, width, height),)


@dataclass(frozen=True, kw_only=True)
class Resize(Warp):
    """Resizes: a single number is the short side, two are the sides exactly."""

    name: ClassVar[str] = "resize"
    size: int | tuple[int, int] | None = field(
        default=None, metadata=picture_size("of the result; the model's input if not given")
    )

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        if isinstance(self.size, int):
            ratio = self.size / min(canvas.width, canvas.height)
            width = max(round(canvas.width * ratio), 1)
            height = max(round(canvas.height * ratio), 1)
        else:
            width, height = given(self.size, canvas, self.name)
        return (window(0.0, 0.0, canvas.width, canvas.height, width, height),)


@dataclass(frozen=True, kw_only=True)
class Letterbox(Warp):
    """Resizes to fit into a size without changing the shape; the border shows beside it."""

    name: ClassVar[str] = "letterbox"
    size: int | tuple[int, int] | None = field(
        default=None, metadata=picture_size("to fit into; the model's input if not given")
    )

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        width, height = given(self.size, canvas, self.name)
        ratio = min(width / canvas.width, height / canvas.height)
        inner = max(round(canvas.width * ratio), 1), max(round(canvas.height * ratio), 1)
        fitted = window(0.0, 0.0, canvas.width, canvas.height, *inner)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        return (fitted.then(window(-left, -top, width, height, width, height)),)


@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop(Warp):
    """Cuts a piece of random area and shape and resizes it (Szegedy et al. 2015, section 6)."""

    name: ClassVar[str] = "random_resized_crop"
    size: int | tuple[int, int] | None = field(
        default=None, metadata=picture_size("of the result; the model's input if not given")
    )
    area: Range = field(
        default=Range(0.08, 1.0), metadata=span("of the piece, as a part of the picture", 1e-4, 1)
    )
    ratio: Range = field(
        default=Range(3 / 4, 4 / 3), metadata=span("width by height of the piece", 1e-2, 1e2)
    )

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Geometry, ...]:
        width, height = given(self.size, canvas, self.name)
        low, high = math.log(self.ratio.low), math.log(self.ratio.high)
        for _ in range(10):
            area = canvas.width * canvas.height * self.area.at(draws.uniform())
            shape = math.exp(low + (high - low) * draws.uniform())
            across, down = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < across <= canvas.width and 0 < down <= canvas.height:
                left = draws.integer(canvas.width - across + 1)
                top = draws.integer(canvas.height - down + 1)
                return (window(left, top, across, down, width, height),)
        # The picture is longer than any piece: the largest allowed one from its middle.
        shape = min(max(canvas.width / canvas.height, self.ratio.low), self.ratio.high)
        across = max(min(canvas.width, round(canvas.height * shape)), 1)
        down = max(min(canvas.height, round(canvas.width / shape)), 1)
        left, top = (canvas.width - across) // 2, (canvas.height - down) // 2
        return (window(left, top, across, down, width, height),)


def given(size: int | tuple[int, int] | None, canvas: Canvas, name: str) -> tuple[int, int]:
    """``(width, height)`` of a step, or that of the model's input.

    Raises:
        ConfigurationError: neither is known.
    """
    if size is None:
        if canvas.wanted is None:
            raise ConfigurationError(
                f"{name}: size must be given where no model says the size of its input, "
                f"such as {name}(224)"
            )
        return canvas.wanted
    return (size, size) if isinstance(size, int) else size


def projection(before: Matrix, after: Matrix) -> Matrix:
    """The 3x3 matrix that takes four points ``[4, 2]`` to four others."""
    rows = []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows.append([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y])
        rows.append([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y])
    found = np.linalg.solve(np.array(rows), after.reshape(-1))
    return np.append(found, 1.0).reshape(3, 3)


STEPS: tuple[type[Step], ...] = (
    Border, Crop, HorizontalFlip, Letterbox, Perspective, QuarterTurn, RandomResizedCrop, Resize,
    Rotate, Scale, Shear, Shift, Translate, VerticalFlip,
)  # fmt: skip
