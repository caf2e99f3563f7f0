"""A small convolutional net with global pooling: for any picture of at least 8 x 8 pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from anysize.core.errors import DataError
from anysize.models.convolution import Convolution
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("cnn",)


class CNNConfig(PictureClassifierConfig):
    """Configuration of :class:`CNNForImageClassification`.

    Args:
        hidden_sizes: channels of each stage; every stage but the last halves height and width.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_cnn"

    def __init__(self, hidden_sizes: Sequence[int] = (32, 64, 128), **kwargs: Any) -> None:
        self.hidden_sizes = list(hidden_sizes)
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        return super().problems() + size_problems("hidden_sizes", self.hidden_sizes)


class CNNForImageClassification(PictureClassifier):
    """Stages of (3 x 3 convolution, batch norm, ReLU), max pooling between them, global mean."""

    config_class = CNNConfig
    any_size = True

    def __init__(self, config: CNNConfig) -> None:
        super().__init__(config)
        widths = [config.num_channels, *config.hidden_sizes]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            if layers:
                layers.append(nn.MaxPool2d(2))
            layers += [
                Convolution(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.stages = nn.Sequential(*layers)
        self.finish(widths[-1])

    def features(self, pixel_values: Tensor) -> Tensor:
        """Channel means ``[n, hidden_sizes[-1]]`` of pictures ``[n, channels, height, width]``.

        Raises:
            DataError: a side is too short to be halved between all stages.
        """
        stages = len(self.config.hidden_sizes)
        shortest = 2 ** (stages - 1)
        if min(pixel_values.shape[2:]) < shortest:
            raise DataError(
                "pixel_values",
                f"must be at least {shortest} x {shortest} pixels for {stages} stages, but the "
                f"shape is {tuple(pixel_values.shape)}; enlarge the pictures or take fewer "
                "hidden_sizes",
            )
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.stages(pixel_values)
        return maps.mean(dim=(2, 3))


def cnn(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    hidden_sizes: Sequence[int] = (32, 64, 128),
) -> PreTrainedModel:
    """Make a small convolutional net with fresh weights, drawn from torch's global generator."""
    return CNNForImageClassification(
        CNNConfig(
            hidden_sizes=hidden_sizes,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"cnn": cnn}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``."""
    return build_network(BUILDERS, key, request, side=128)


register(CNNConfig, CNNForImageClassification)
