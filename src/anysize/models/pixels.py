"""What values of pixels a picture model was trained on, as people write it.

``0-1``, ``0-255`` and ``-1-1`` are ranges. ``imagenet`` (torchvision) and ``caffe`` (Keras's VGG
and ResNet) are the usual normalisations. Anything else is written out, in the units of pixels from
0 to 255: ``scale=0.0078125,mean=127.5``, ``mean=123.7/116.8/103.9,std=58.4/57.1/57.4``, with
``bgr`` where blue comes first: ``(pixel - mean) / std * scale``, mean and standard deviation for
red, green and blue.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from anysize.core.errors import ConfigurationError

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """A normalisation.

    Attributes:
        mean, std: for red, green and blue, of values from 0 to 1.
        bgr: whether the model takes blue first.
    """

    mean: Triple
    std: Triple
    bgr: bool = False


NAMED: Mapping[str, Pixels] = {
    "0-1": Pixels(mean=(0.0,) * 3, std=(1.0,) * 3),
    "0-255": Pixels(mean=(0.0,) * 3, std=(1 / 255,) * 3),
    "-1-1": Pixels(mean=(0.5,) * 3, std=(0.5,) * 3),
    "imagenet": Pixels(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "caffe": Pixels(
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255), std=(1 / 255,) * 3, bgr=True
    ),
}
CHOICES = f"{', '.join(NAMED)}, or such as 'scale=0.0078125,mean=127.5' and 'mean=104,bgr'"


def parse(text: str) -> Pixels:
    """The normalisation that a text names or spells out.

    Raises:
        ConfigurationError: it does neither.
    """
    if text in NAMED:
        return NAMED[text]
    parts = [part.strip() for part in text.split(",")]
    bgr = "bgr" in parts
    values = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "scale": (1.0,) * 3}
    for part in parts:
        name, equals, value = part.partition("=")
        numbers = _numbers(value)
        if part in ("bgr", "rgb"):
            continue
        if not equals or name not in values or numbers is None:
            raise ConfigurationError(f"pixels must be one of {CHOICES}; {part!r} is none of it")
        values[name] = numbers
    if min(values["std"]) <= 0 or min(values["scale"]) <= 0:
        raise ConfigurationError(f"pixels: std and scale must be above 0, found {text!r}")
    mean = tuple(each / 255 for each in values["mean"])
    std = tuple(
        deviation / scale / 255
        for deviation, scale in zip(values["std"], values["scale"], strict=True)
    )
    return Pixels(mean=mean, std=std, bgr=bgr)  # type: ignore[arg-type]


def _numbers(text: str) -> Triple | None:
    """One number for all channels, or three with slashes between them."""
    try:
        found = tuple(map(float, text.split("/")))
    except ValueError:
        return None
    if len(found) == 1:
        found *= 3
    if len(found) != 3 or not all(map(math.isfinite, found)):
        return None
    return found
