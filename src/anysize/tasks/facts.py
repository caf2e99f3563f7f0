"""Training pictures as a network will see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from anysize.core.errors import DataError
from anysize.core.protocols import Preprocess
from anysize.core.records import Source
from anysize.modalities.pictures.settings import ImageSettings

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.network import Network

_SHOWN = 512


def shown_pictures(network: Network, preprocess: Preprocess, source: Source) -> Iterator[Tensor]:
    """Normalised pictures, evenly chosen, for first filters from the data.

    Those that cannot be read are left out; training names them.

    Args:
        network: takes pictures.
        preprocess: of the task, without augmentation.
        source: of the training data.
    """
    from anysize.models.picture_batches import PictureBatches

    settings = network.reads(ImageSettings)
    normalised = PictureBatches(settings.mean, settings.std)
    for index in range(0, len(source), max(len(source) // _SHOWN, 1)):
        try:
            example = next(iter(preprocess(index, source[index], None)))
        except DataError:
            continue
        yield normalised([example.arrays["pixels"]])
