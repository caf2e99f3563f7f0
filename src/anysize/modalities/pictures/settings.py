"""Pictures: how they become windows, what may be asked of it, and what builders know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from anysize.core.errors import ConfigurationError
from anysize.core.options import Options, option
from anysize.core.receipts import Unit
from anysize.modalities.settings import Settings
from anysize.readers.pages import pages_problems

LARGEST_SIDE = 1 << 15
"""Pixels of a side of a model's input, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings(Settings):
    """How a picture becomes model input.

    Attributes:
        width, height: the model's input in pixels.
        mean, std: per channel, of values scaled to 0..1.
        tiles: ``auto`` cuts pictures that are more than 4 times larger than the input on both
            sides into tiles, ``always`` cuts every picture larger than the input, ``never``
            resizes the whole.
        tile: side of a tile in picture pixels; 0 is the model's input size.
        overlap: pixels that neighbouring tiles share.
        crop: 0 reads the whole picture; above 0, of a picture that is not cut into tiles the centre
            is read without distortion, whose side is this part of the picture's shorter side
            (``anysize.readers.centre``). 0.875 is the usual evaluation of ImageNet.
        pages: which pages or frames of a picture are read: ``all``, ``first``, or a number: so
            many, evenly spread.
        tolerant: whether damaged pictures are read as far as possible; not kept in bundles.
    """

    modality: ClassVar[str] = "image"
    content: ClassVar[str] = "pictures"

    width: int
    height: int
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    tiles: Literal["auto", "always", "never"] = "auto"
    tile: int = 0
    overlap: int = 0
    crop: float = 0.0
    pages: str = "all"
    tolerant: bool = False

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "pixels"

    @property
    def varying(self) -> bool:
        """Whether windows come in many sizes."""
        return False

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.width * self.height

    def kept(self) -> ImageSettings:
        """The same without ``tolerant``, a wish of one run."""
        return replace(self, tolerant=False)

    def __post_init__(self) -> None:
        problems = []
        if not 0.0 <= self.crop <= 1.0:
            problems.append(f"crop must be from 0 to 1, not {self.crop!r}")
        if min(self.width, self.height) < 1 or max(self.width, self.height) > LARGEST_SIDE:
            problems.append(
                f"picture size must be at least 1x1 and at most {LARGEST_SIDE}x{LARGEST_SIDE}, "
                f"not {self.width}x{self.height}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            problems.append("mean and std must have three values, std above zero")
        if self.tiles not in ("auto", "always", "never"):
            problems.append(f"tiles must be auto, always or never, not {self.tiles!r}")
        problems += pages_problems(self.pages)
        side = self.tile or min(self.width, self.height)
        if self.tile < 0 or not 0 <= self.overlap < side:
            problems.append(
                f"tile must not be negative (found {self.tile}) and overlap must be from 0 to "
                f"below the tile's side {side} (found {self.overlap})"
            )
        if problems:
            raise ConfigurationError(problems)


def _side(text: str) -> tuple[int, int]:
    """``(width, height)`` of ``224`` or ``320x240``."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(text)
    return int(parts[0]), int(parts[-1])


def _pages(wish: str) -> str | None:
    found = pages_problems(wish)
    return found[0].removeprefix("pages ") if found else None


@dataclass(frozen=True, kw_only=True)
class ImageOptions(Options):
    """How pictures are read and cut."""

    table: ClassVar[str] = "image"

    image_size: tuple[int, int] | None = option(
        None, key="size", low=1, parse=_side, metavar="SIZE", automatic="chosen by the model",
        expected="width and height of at least 1 pixel, or one side (224, 320x240)",
        help="The model's input in pixels, such as 224 or 320x240.",
    )  # fmt: skip
    tiles: str | None = option(
        None, choices=("auto", "always", "never"), off="auto", automatic="auto",
        help="When pictures are cut into tiles; auto cuts those more than 4 times larger than the "
        "model's input.",
    )  # fmt: skip
    tile: int | None = option(
        None, low=1, high=1 << 20, unit="pixels", automatic="the model's input",
        help="Side of a tile, in pixels of the picture; larger tiles are faster and lose small "
        "details.",
    )  # fmt: skip
    overlap: int | None = option(
        None, low=0, high=1 << 24, unit="pixels", automatic="the model's own",
        help="Pixels that neighbouring tiles share.",
    )  # fmt: skip
    crop: float | None = option(
        None, low=0, high=1, metavar="FRACTION", automatic="the model's own",
        help="Read the centre of pictures that are not tiled: a fraction of the shorter side, such "
        "as 0.875; 0 reads the whole picture.",
    )  # fmt: skip
    pages: str | None = option(
        None, check=_pages, automatic="all",
        help="Pages or frames of a picture (TIFF, GIF, WebP, PNG, AVIF) that are read: all, first, "
        "or a number of evenly spaced ones.",
    )  # fmt: skip
    tolerant: bool | None = option(
        None, off=False, automatic="no",
        help="Read damaged pictures as far as possible, and report them.",
    )  # fmt: skip
    progressive: float | None = option(
        None, low=0.125, high=1, off=1.0,
        metavar="FRACTION", automatic="chosen by the kind of model",
        help="Side of training pictures at the start, as a fraction of the model's input, which "
        "it reaches after 60 % of the run; 1 turns it off.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a model builder knows of the training pictures.

    Attributes:
        size: ``(width, height)`` that is typical of them; None where none can be read.
        object_side: of the smaller objects in them, as a part of the picture's side; None where
            there are none.
    """

    size: tuple[int, int] | None = None
    object_side: float | None = None
