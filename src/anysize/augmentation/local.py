"""Steps that look at more than one pixel at a time: each stays a step of its own."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anysize.augmentation.draws import Draws
from anysize.augmentation.operations import Canvas, Local, Pixels
from anysize.augmentation.parameters import Range, number, span, word
from anysize.augmentation.steps import CHANCE, Step
from anysize.core.errors import MissingExtraError
from anysize.readers.resize import opencv

PROVIDES = ("blur", "elastic", "erase", "jpeg", "noise", "sharpen")

# The smoothing kernel of Pillow's ImageEnhance.Sharpness, which automatic policies are defined by.
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], dtype=np.float32) / 13


def sharpened(factor: float) -> Local:
    """The distance from a smoothed copy times a factor: 0 smooths, above 1 sharpens."""

    def run(pixels: Pixels) -> Pixels:
        cv2 = opencv()
        smooth = cv2.filter2D(pixels, -1, _SMOOTH, borderType=cv2.BORDER_REPLICATE)
        found: Pixels = cv2.addWeighted(pixels, factor, smooth, 1 - factor, 0)
        return found

    return Local(run)


@dataclass(frozen=True, kw_only=True)
class Alone(Step):
    """A step of its own."""

    fuses: ClassVar[str] = "none"

    @abstractmethod
    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Blur(Alone):
    """Blurs with a Gaussian."""

    name: ClassVar[str] = "blur"
    sigma: Range = field(
        default=Range(0.1, 2.0), metadata=span("its standard deviation in pixels", 0.01, 100)
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        sigma = self.sigma.at(draws.uniform())

        def run(pixels: Pixels) -> Pixels:
            cv2 = opencv()
            side = 2 * math.ceil(3 * sigma) + 1
            found: Pixels = cv2.GaussianBlur(
                pixels, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101
            )
            return found

        return (Local(run),)


@dataclass(frozen=True, kw_only=True)
class Sharpen(Alone):
    """Moves every pixel away from a smoothed copy of the picture, or towards it."""

    name: ClassVar[str] = "sharpen"
    factor: Range = field(
        default=Range(0.5, 2.0), metadata=span("0 smooths, 1 changes nothing, more sharpens", 0, 10)
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        return (sharpened(self.factor.at(draws.uniform())),)


@dataclass(frozen=True, kw_only=True)
class Noise(Alone):
    """Adds Gaussian noise, of its own in every pixel and channel."""

    name: ClassVar[str] = "noise"
    deviation: Range = field(
        default=Range(0, 10), metadata=span("its standard deviation in levels", 0, 255)
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        deviation = np.float32(self.deviation.at(draws.uniform()))

        def run(pixels: Pixels) -> Pixels:
            noise = draws.arrays().standard_normal(pixels.shape, dtype=np.float32)
            noise *= deviation
            noise += pixels
            return np.clip(np.rint(noise, out=noise), 0, 255, out=noise).astype(np.uint8)

        return (Local(run),)


@dataclass(frozen=True, kw_only=True)
class Jpeg(Alone):
    """Compresses as JPEG and decodes again, which leaves the format's artefacts."""

    name: ClassVar[str] = "jpeg"
    quality: Range = field(default=Range(40, 90), metadata=span("of the compression", 1, 100))
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        quality = round(self.quality.at(draws.uniform()))

        def run(pixels: Pixels) -> Pixels:
            try:
                import simplejpeg
            except ImportError:
                raise MissingExtraError("simplejpeg", "vision") from None
            packed = np.ascontiguousarray(pixels)
            data = simplejpeg.encode_jpeg(packed, quality=quality, colorsubsampling="420")
            found: Pixels = simplejpeg.decode_jpeg(data, "RGB")
            return found

        return (Local(run),)


@dataclass(frozen=True, kw_only=True)
class Erase(Alone):
    """Covers a rectangle (Zhong et al. 2017, Random Erasing; DeVries and Taylor 2017, Cutout)."""

    name: ClassVar[str] = "erase"
    area: Range = field(
        default=Range(0.02, 0.33), metadata=span("of the rectangle, as a part of the picture", 0, 1)
    )
    ratio: Range = field(
        default=Range(0.3, 3.3), metadata=span("width by height of the rectangle", 0.01, 100)
    )
    fill: str = field(
        default="noise", metadata=word("what covers it", ("noise", "grey", "black", "mean"))
    )
    p: float = field(default=0.25, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        area = canvas.width * canvas.height * self.area.at(draws.uniform())
        low, high = math.log(self.ratio.low), math.log(self.ratio.high)
        shape = math.exp(low + (high - low) * draws.uniform())
        across = min(max(round(math.sqrt(area * shape)), 1), canvas.width)
        down = min(max(round(math.sqrt(area / shape)), 1), canvas.height)
        left = draws.integer(canvas.width - across + 1)
        top = draws.integer(canvas.height - down + 1)
        fill = self.fill

        def run(pixels: Pixels) -> Pixels:
            found = pixels.copy()
            hole = found[top : top + down, left : left + across]
            if fill == "noise":
                hole[:] = draws.arrays().integers(0, 256, hole.shape, dtype=np.uint8)
            elif fill == "mean":
                hole[:] = np.rint(opencv().mean(pixels)[:3]).astype(np.uint8)
            else:
                hole[:] = 128 if fill == "grey" else 0
            return found

        return (Local(run),)


@dataclass(frozen=True, kw_only=True)
class Elastic(Alone):
    """Bends the picture by a smooth random field (Simard et al. 2003)."""

    name: ClassVar[str] = "elastic"
    strength: Range = field(
        default=Range(0.02, 0.05),
        metadata=span("largest displacement, by the shorter side", 0, 0.5),
    )
    smoothness: float = field(
        default=0.08, metadata=number("of the field, by the shorter side", 0.01, 1)
    )
    p: float = field(default=0.5, metadata=CHANCE)

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Local, ...]:
        if draws.uniform() >= self.p:
            return ()
        cv2 = opencv()
        side = min(canvas.width, canvas.height)
        reach = self.strength.at(draws.uniform()) * side
        # A smooth field is determined by few numbers: one every ``smoothness`` of the side.
        step = max(self.smoothness * side, 1.0)
        rows, columns = (math.ceil(length / step) + 1 for length in (canvas.height, canvas.width))
        knots = draws.arrays().uniform(-reach, reach, (rows, columns, 2)).astype(np.float32)
        field = cv2.resize(knots, (canvas.width, canvas.height), interpolation=cv2.INTER_CUBIC)
        field = np.clip(field, -reach, reach)

        def run(pixels: Pixels) -> Pixels:
            height, width = pixels.shape[:2]
            across = field[..., 0] + np.arange(width, dtype=np.float32)
            down = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
            found: Pixels = cv2.remap(
                pixels, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
            return found

        return (Local(run, displacement=field),)


STEPS: tuple[type[Step], ...] = (Blur, Elastic, Erase, Jpeg, Noise, Sharpen)
