"""AlexNet in one tower (Krizhevsky 2014, arXiv:1404.5997): the net that began it.

The net of Krizhevsky, Sutskever and Hinton (NIPS 2012) had two towers on two graphics processors
and normalised responses between neighbouring channels. This is the later one-tower form of the same
author, with the widths that torchvision made common: 61.1 million weights at 1,000 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from anysize.models.network import BuildRequest, Network
from anysize.models.picture_sizes import enlarged, refuse_small
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("alexnet",)

Stem = Literal["large", "small"]

_STEMS = ("large", "small")
_WIDTHS = (64, 192, 384, 256, 256)
# What is left of it is one pixel before the last pooling, which needs three.
_SMALLEST: dict[str, int] = {"large": 63, "small": 15}


class AlexNetConfig(PictureClassifierConfig):
    """Configuration of :class:`AlexNetForImageClassification`.

    Args:
        stem: "large" (11 x 11 convolution that divides height and width by 4) or "small" (5 x 5
            convolution that keeps them), for pictures of up to 64 pixels a side.
        pooled: side of the maps that the first linear layer sees, whatever the picture's size.
        hidden_size: units of the two hidden linear layers.
        dropout: probability with which an input of a hidden layer is set to zero in training.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_alexnet"

    def __init__(
        self,
        stem: Stem = "large",
        pooled: int = 6,
        hidden_size: int = 4096,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        self.stem = stem
        self.pooled = pooled
        self.hidden_size = hidden_size
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        found += size_problems("pooled", [self.pooled])
        found += size_problems("hidden_size", [self.hidden_size])
        if self.stem not in _STEMS:
            found.append(f"stem must be one of {list(_STEMS)}, not {self.stem!r}")
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class AlexNetForImageClassification(PictureClassifier):
    """Five convolutions with three max poolings, two hidden linear layers, one linear layer."""

    config_class = AlexNetConfig

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__(config)
        first, second, third, fourth, fifth = _WIDTHS
        if config.stem == "large":
            opening = nn.Conv2d(config.num_channels, first, 11, stride=4, padding=2)
        else:
            opening = nn.Conv2d(config.num_channels, first, 5, padding=2)
        self.stages = nn.Sequential(
            opening,
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(fourth, fifth, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.AdaptiveAvgPool2d(config.pooled),
        )
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(fifth * config.pooled**2, config.hidden_size),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, config.hidden_size),
            nn.ReLU(),
        )
        self.finish(config.hidden_size)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Last hidden layer ``[n, hidden_size]`` of pictures ``[n, channels, height, width]``.

        Raises:
            DataError: a side is too short for the three poolings.
        """
        refuse_small(pixel_values, _SMALLEST[self.config.stem])
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        hidden: Tensor = self.hidden(self.stages(pixel_values))
        return hidden


def alexnet(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    stem: Stem | Literal["auto"] = "auto",
    pooled: int = 0,
    hidden_size: int = 0,
    dropout: float = 0.5,
) -> PreTrainedModel:
    """Make a one-tower AlexNet with fresh weights.

    Args:
        num_labels: classes.
        image_size: ``(height, width)`` of the pictures.
        channels: of the pictures.
        stem: ``auto`` is ``small`` for pictures of up to 64 pixels a side.
        pooled: 0 is 6 with the large stem, 3 with the small one.
        hidden_size: 0 is 4,096 with the large stem, 1,024 with the small one.
        dropout: see the configuration.
    """
    if stem == "auto":
        stem = "large" if max(image_size) > 64 else "small"
    large = stem == "large"
    return AlexNetForImageClassification(
        AlexNetConfig(
            stem=stem,
            pooled=pooled or (6 if large else 3),
            hidden_size=hidden_size or (4096 if large else 1024),
            dropout=dropout,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"alexnet": alexnet}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``. Very small pictures are enlarged."""
    return build_network(BUILDERS, key, enlarged(request, 32), side=224)


register(AlexNetConfig, AlexNetForImageClassification)
