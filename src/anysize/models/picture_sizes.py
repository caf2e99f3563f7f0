"""Input sizes of nets that cannot take every picture: too small ones, and sides that must fit."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from anysize.core.errors import DataError
from anysize.modalities.pictures.settings import ImageFacts
from anysize.models.network import BuildRequest


def refuse_small(pixel_values: Tensor, smallest: int) -> None:
    """Raises DataError where a side of ``[n, channels, height, width]`` is below ``smallest``."""
    if min(pixel_values.shape[2:]) < smallest:
        raise DataError(
            "pixel_values",
            f"must be at least {smallest} x {smallest} pixels for this model, but the shape is "
            f"{tuple(pixel_values.shape)}; enlarge the pictures with --image-size, or use 'cnn' or "
            "'resnet18', which take smaller ones",
        )


def enlarged(request: BuildRequest, shortest: int) -> BuildRequest:
    """The request with small typical pictures scaled up until their shorter side is ``shortest``.

    What the user asks for stays as it is.
    """
    facts = request.known(ImageFacts)
    size = facts.size
    if size is None or min(size) >= shortest:
        return request
    scale = shortest / min(size)
    size = (round(size[0] * scale), round(size[1] * scale))
    return dataclasses.replace(request, facts=dataclasses.replace(facts, size=size))


def rounded(request: BuildRequest, multiple: int) -> BuildRequest:
    """The request with the sides of typical pictures rounded up to a multiple."""
    facts = request.known(ImageFacts)
    size = facts.size
    if size is None:
        return request
    width, height = (-(-side // multiple) * multiple for side in size)
    return dataclasses.replace(request, facts=dataclasses.replace(facts, size=(width, height)))
