"""VGG nets: 3 x 3 convolutions all the way (Simonyan and Zisserman 2015, arXiv:1409.1556).

``vgg11`` is the paper's configuration A (132.9 million weights at 1,000 classes), ``vgg16`` its
configuration D (138.4 million), both without batch norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from anysize.models.convolution import Convolution
from anysize.models.network import BuildRequest, Network
from anysize.models.picture_sizes import enlarged, refuse_small
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("vgg11", "vgg16")

_NORMS = ("none", "batch")
_DEPTHS: dict[str, tuple[int, ...]] = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}


class VGGConfig(PictureClassifierConfig):
    """Configuration of :class:`VGGForImageClassification`.

    Args:
        depths: convolutions in each stage; every stage ends by halving height and width.
        hidden_sizes: channels of each stage.
        pooled: side of the maps that the first linear layer sees, whatever the picture's size.
        linear_sizes: units of the hidden linear layers.
        norm: "none" as in the paper, or "batch" for batch norm behind every convolution.
        dropout: probability with which an output of a hidden linear layer is set to zero in
            training.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_vgg"

    def __init__(
        self,
        depths: Sequence[int] = _DEPTHS["vgg11"],
        hidden_sizes: Sequence[int] = (64, 128, 256, 512, 512),
        pooled: int = 7,
        linear_sizes: Sequence[int] = (4096, 4096),
        norm: str = "none",
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        self.depths = list(depths)
        self.hidden_sizes = list(hidden_sizes)
        self.pooled = pooled
        self.linear_sizes = list(linear_sizes)
        self.norm = norm
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        found += size_problems("depths", self.depths)
        found += size_problems("hidden_sizes", self.hidden_sizes)
        found += size_problems("linear_sizes", self.linear_sizes)
        found += size_problems("pooled", [self.pooled])
        if len(self.depths) != len(self.hidden_sizes):
            found.append(
                f"depths and hidden_sizes must be equally long, not {self.depths} and "
                f"{self.hidden_sizes}"
            )
        if self.norm not in _NORMS:
            found.append(f"norm must be one of {list(_NORMS)}, not {self.norm!r}")
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class VGGForImageClassification(PictureClassifier):
    """Five stages of 3 x 3 convolutions, max pooling behind each, then linear layers."""

    config_class = VGGConfig

    def __init__(self, config: VGGConfig) -> None:
        super().__init__(config)
        stages: list[nn.Module] = []
        inputs = config.num_channels
        for depth, width in zip(config.depths, config.hidden_sizes, strict=True):
            stage: list[nn.Module] = []
            for _ in range(depth):
                # A bias before batch norm would be taken away by its mean.
                bias = config.norm == "none"
                stage.append(Convolution(inputs, width, 3, padding=1, bias=bias))
                stage += [] if bias else [nn.BatchNorm2d(width)]
                stage.append(nn.ReLU())
                inputs = width
            stages.append(nn.Sequential(*stage, nn.MaxPool2d(2)))
        self.stages = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(config.pooled))
        hidden: list[nn.Module] = [nn.Flatten()]
        inputs *= config.pooled**2
        for width in config.linear_sizes:
            hidden += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = width
        self.hidden = nn.Sequential(*hidden)
        self.finish(inputs)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Last hidden layer ``[n, linear_sizes[-1]]`` of pictures ``[n, channels, height, width]``.

        Raises:
            DataError: a side is too short to be halved by every stage.
        """
        refuse_small(pixel_values, 2 ** len(self.config.depths))
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        hidden: Tensor = self.hidden(self.stages(pixel_values))
        return hidden


def _vgg(
    depths: Sequence[int],
    num_labels: int,
    image_size: tuple[int, int],
    channels: int,
    norm: str,
    dropout: float,
) -> PreTrainedModel:
    small = max(image_size) <= 64
    if norm == "auto":
        norm = "batch" if small else "none"
    return VGGForImageClassification(
        VGGConfig(
            depths=depths,
            pooled=1 if small else 7,
            linear_sizes=(512, 512) if small else (4096, 4096),
            norm=norm,
            dropout=dropout,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


def vgg11(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    norm: str = "auto",
    dropout: float = 0.5,
) -> PreTrainedModel:
    """Make an 11-layer VGG net (133 M weights) with fresh weights.

    For pictures of up to 64 pixels a side the hidden linear layers have 512 units over 1 x 1 maps,
    and every convolution has batch norm: 9.8 M weights.
    """
    return _vgg(_DEPTHS["vgg11"], num_labels, image_size, channels, norm, dropout)


def vgg16(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    norm: str = "auto",
    dropout: float = 0.5,
) -> PreTrainedModel:
    """Make a 16-layer VGG net (138 M weights) with fresh weights; small pictures as `vgg11`."""
    return _vgg(_DEPTHS["vgg16"], num_labels, image_size, channels, norm, dropout)


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"vgg11": vgg11, "vgg16": vgg16}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``. Very small pictures are enlarged."""
    return build_network(BUILDERS, key, enlarged(request, 32), side=224)


register(VGGConfig, VGGForImageClassification)
