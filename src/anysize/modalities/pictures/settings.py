"""Pictures: how they become windows, what may be asked of it, and what builders know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from anysize.core.errors import ConfigurationError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """What a user may ask of the windows; None leaves it to the model.

    Attributes:
        image_size: the model's input, ``(width, height)``; for training.
        tiles, tile, overlap, crop, pages: see ``ImageSettings``.
        tolerant: whether damaged pictures are read as far as possible.
    """

    image_size: tuple[int, int] | None = None
    tiles: Literal["auto", "always", "never"] | None = None
    tile: int | None = None
    overlap: int | None = None
    crop: float | None = None
    pages: str | None = None
    tolerant: bool | None = None


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
