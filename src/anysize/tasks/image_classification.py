"""Image classification: pictures of any size, whole or by tiles, one label each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.core.protocols import Preprocess
from anysize.core.records import ImageField, Record, Source
from anysize.core.windows import Box, Window
from anysize.heads.options import ClassOptions, HeadOptions
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.readers.centre import read_centre
from anysize.readers.resize import resize
from anysize.sources import ColumnSpec
from anysize.tasks.classification import LABEL, Classification
from anysize.tasks.facts import shown_pictures
from anysize.tasks.pages import PagedPreprocess
from anysize.windows.boxes import tiles

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

OPTIONS = (HeadOptions, ClassOptions)
PROVIDES = ("image-classification",)
ARCHITECTURE = Architecture(
    auto="AutoModelForImageClassification", suffixes=("ForImageClassification",)
)

IMAGE = ColumnSpec(
    role="image",
    kind="image",
    names=("image", "file_name", "file", "path", "filename", "img", "picture", "photo"),
)

TILED_ABOVE = 4


class ImageClassification(Classification):
    """The whole picture resized, its centre, or tiles whose logits are pooled."""

    name = "image-classification"
    role = "image"
    unit = "pixels"
    columns = (IMAGE, LABEL)
    augmentation = "standard"

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        # Squares of errors have gradients of any size; plain descent at its rate for classes
        # diverges.
        squares = self.head.family == "regression" and not pretrained
        return {"optimizer": "adamw"} if squares else {}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Shows pictures to a fresh network that takes its first filters from them."""
        module: Any = network.module
        if getattr(module, "starts_from_data", False) and not module.name_or_path:
            module.start_from(shown_pictures(network, self.preprocess(network), source))

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        settings = network.reads(ImageSettings)
        inner = ImagePreprocess(settings, augment, seed)
        return PagedPreprocess(inner, settings)


class ImagePreprocess:
    """A record's ``image`` to examples of uint8 pixels at the model's input size."""

    def __init__(self, settings: ImageSettings, augment: Augmentation | None, seed: int) -> None:
        self._settings = settings
        self._augment = augment
        self._seed = seed

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        image = record.image("image")
        width, height = image.extent
        if self._tiled(width, height):
            yield from self._tiles(ordinal, record, image, draw)
            return
        whole = Box(0, 0, width, height)
        size = (self._settings.width, self._settings.height)
        if self._augment is not None and draw is not None:
            pixels = self._augment.read(image, (self._seed, draw, record.id, 0), size=size).pixels
        elif self._settings.crop:
            pixels, centre = read_centre(image, *size, self._settings.crop)
            yield self._example(ordinal, record, pixels, 0, centre, centre, True, (width, height))
            return
        else:
            pixels = image.resized(*size)
        yield self._example(ordinal, record, pixels, 0, whole, whole, True)

    def _tiled(self, width: int, height: int) -> bool:
        settings = self._settings
        if settings.tiles == "never":
            return False
        factor = TILED_ABOVE if settings.tiles == "auto" else 1
        across = settings.tile or settings.width
        down = settings.tile or settings.height
        if settings.tiles == "always":
            return width > across or height > down
        return width > factor * settings.width and height > factor * settings.height

    def _tiles(
        self, ordinal: int, record: Record, image: ImageField, draw: int | None
    ) -> Iterator[Example]:
        settings = self._settings
        width, height = image.extent
        across = settings.tile or settings.width
        down = settings.tile or settings.height
        laid = tiles(width, height, across, down, settings.overlap)
        regions = (region for region, _ in tiles(width, height, across, down, settings.overlap))
        for index, ((region, core), pixels) in enumerate(
            zip(laid, image.regions(regions), strict=True)
        ):
            last = core.right == width and core.bottom == height
            if self._augment is not None and draw is not None:
                size = (settings.width, settings.height)
                pixels = self._augment(pixels, (self._seed, draw, record.id, index), size=size)
            yield self._example(ordinal, record, pixels, index, region, core, last)

    def _example(
        self,
        ordinal: int,
        record: Record,
        pixels: NDArray[np.uint8],
        index: int,
        region: Box,
        core: Box,
        last: bool,
        extent: tuple[int, int] | None = None,
    ) -> Example:
        settings = self._settings
        if pixels.shape[:2] != (settings.height, settings.width):
            pixels = resize(pixels, settings.width, settings.height)
        return Example(
            ordinal=ordinal,
            window=Window(
                record=record.id, index=index, region=region, core=core, last=last, extent=extent
            ),
            arrays={"pixels": np.ascontiguousarray(pixels)},
            cost=settings.width * settings.height,
        )


def make(name: str) -> ImageClassification:
    """The task."""
    return ImageClassification()
