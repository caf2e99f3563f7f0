"""A teacher of pictures beside a student whose pictures have another size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.functional import interpolate

from anysize.modalities.pictures.settings import ImageSettings


def fitted(image: ImageSettings) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A hook that gives a network pictures of the size that it was trained with."""
    size = (image.height, image.width)

    def fit(_module: nn.Module, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = named["pixel_values"]
        if pixels.shape[2:] != size:
            pixels = interpolate(pixels, size, mode="bilinear", antialias=True)
        return inputs, {**named, "pixel_values": pixels}

    return fit
