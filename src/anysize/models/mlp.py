"""A multilayer perceptron over the pixels: the smallest net, for small pictures of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from anysize.core.errors import DataError
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("mlp",)


class MLPConfig(PictureClassifierConfig):
    """Configuration of :class:`MLPForImageClassification`.

    Args:
        hidden_sizes: units of each hidden layer, from the pixels to the classes.
        dropout: probability with which a hidden unit is set to zero in training.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_mlp"

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (256, 128),
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.hidden_sizes = list(hidden_sizes)
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems() + size_problems("hidden_sizes", self.hidden_sizes)
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class MLPForImageClassification(PictureClassifier):
    """Pixels, then (linear, ReLU, dropout) per hidden layer, then one linear layer.

    It is tied to one picture size: the first layer has a weight for every pixel.
    """

    config_class = MLPConfig

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        widths = [config.num_channels * prod(config.image_size), *config.hidden_sizes]
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(config.dropout)]
        self.hidden = nn.Sequential(*layers)
        self.finish(widths[-1])

    def features(self, pixel_values: Tensor) -> Tensor:
        """Last hidden layer ``[n, hidden_sizes[-1]]`` of pictures ``[n, channels, height, width]``.

        Raises:
            DataError: the pictures are not of the configuration's ``image_size``.
        """
        height, width = self.config.image_size
        if tuple(pixel_values.shape[2:]) != (height, width):
            raise DataError(
                "pixel_values",
                f"must be {height} x {width} pixels (image_size of the model), but the shape is "
                f"{tuple(pixel_values.shape)}; resize the pictures, or use 'cnn' or 'resnet18', "
                "which take any size",
            )
        hidden: Tensor = self.hidden(pixel_values)
        return hidden


def mlp(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    hidden_sizes: Sequence[int] = (256, 128),
    dropout: float = 0.0,
) -> PreTrainedModel:
    """Make a perceptron with fresh weights, drawn from torch's global generator."""
    return MLPForImageClassification(
        MLPConfig(
            hidden_sizes=hidden_sizes,
            dropout=dropout,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"mlp": mlp}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``."""
    return build_network(BUILDERS, key, request, side=64)


register(MLPConfig, MLPForImageClassification)
