"""MobileNetV3-Small (Howard et al. 2019, arXiv:1905.02244): a small net for small machines.

Table 2 of the paper; 2.5 million weights at 1,000 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from anysize.models.network import BuildRequest, Network
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("mobilenet_v3_small",)

Stem = Literal["large", "small", "full"]

_STEMS = ("large", "small", "full")
_OPENING = 16
_CLOSING = 576


class _Row(NamedTuple):
    """One line of the paper's table: a bottleneck block."""

    kernel: int
    expanded: int
    outputs: int
    squeezes: bool
    hard_swish: bool
    stride: int


_ROWS = (
    _Row(3, 16, 16, True, False, 2),
    _Row(3, 72, 24, False, False, 2),
    _Row(3, 88, 24, False, False, 1),
    _Row(5, 96, 40, True, True, 2),
    _Row(5, 240, 40, True, True, 1),
    _Row(5, 240, 40, True, True, 1),
    _Row(5, 120, 48, True, True, 1),
    _Row(5, 144, 48, True, True, 1),
    _Row(5, 288, 96, True, True, 2),
    _Row(5, 576, 96, True, True, 1),
    _Row(5, 576, 96, True, True, 1),
)


class MobileNetV3Config(PictureClassifierConfig):
    """Configuration of :class:`MobileNetV3ForImageClassification`.

    Args:
        stem: by how much the first convolution and the first block together divide height and
            width: "large" by 4 as in the paper, "small" by 2, "full" by 1.
        hidden_size: units of the hidden linear layer.
        dropout: probability with which one of them is set to zero in training.
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_mobilenet"

    def __init__(
        self,
        stem: Stem = "large",
        hidden_size: int = 1024,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.stem = stem
        self.hidden_size = hidden_size
        self.dropout = dropout
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems() + size_problems("hidden_size", [self.hidden_size])
        if self.stem not in _STEMS:
            found.append(f"stem must be one of {list(_STEMS)}, not {self.stem!r}")
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class _ConvolutionNorm(nn.Sequential):
    """Convolution without bias, batch norm as slow as the paper's, and an activation if any."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
            *([] if activation is None else [activation()]),
        )


class SqueezeExcitation(nn.Module):
    """Scales channels by what their means say (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A quarter, in eights; the channels here are such that this never rounds down by much.
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, channels, h, w]`` to the same shape."""
        means = maps.mean(dim=(2, 3), keepdim=True)
        scales = self.excite(functional.relu(self.squeeze(means)))
        return maps * functional.hardsigmoid(scales)


class InvertedResidual(nn.Module):
    """Expand (1 x 1), convolve each channel, squeeze and excite, project (1 x 1), add the input."""

    def __init__(self, inputs: int, row: _Row, stride: int) -> None:
        super().__init__()
        activation: type[nn.Module] = nn.Hardswish if row.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if row.expanded != inputs:
            layers.append(_ConvolutionNorm(inputs, row.expanded, 1, activation=activation))
        layers.append(
            _ConvolutionNorm(
                row.expanded,
                row.expanded,
                row.kernel,
                stride,
                groups=row.expanded,
                activation=activation,
            )
        )
        if row.squeezes:
            layers.append(SqueezeExcitation(row.expanded))
        layers.append(_ConvolutionNorm(row.expanded, row.outputs, 1))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == row.outputs

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``, rounded up."""
        made: Tensor = self.layers(maps)
        return maps + made if self.adds else made


class MobileNetV3ForImageClassification(PictureClassifier):
    """A convolution, eleven inverted residual blocks, a convolution, mean, two linear layers."""

    config_class = MobileNetV3Config
    any_size = True

    def __init__(self, config: MobileNetV3Config) -> None:
        super().__init__(config)
        opening_stride = 2 if config.stem in ("large", "small") else 1
        first_stride = 2 if config.stem == "large" else 1
        self.stem = _ConvolutionNorm(
            config.num_channels, _OPENING, 3, opening_stride, activation=nn.Hardswish
        )
        inputs = _OPENING
        blocks = []
        for number, row in enumerate(_ROWS):
            blocks.append(InvertedResidual(inputs, row, row.stride if number else first_stride))
            inputs = row.outputs
        self.blocks = nn.Sequential(*blocks)
        self.closing = _ConvolutionNorm(inputs, _CLOSING, 1, activation=nn.Hardswish)
        self.hidden = nn.Sequential(
            nn.Linear(_CLOSING, config.hidden_size), nn.Hardswish(), nn.Dropout(config.dropout)
        )
        self.finish(config.hidden_size)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Hidden layer ``[n, hidden_size]`` of pictures ``[n, channels, height, width]``."""
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.closing(self.blocks(self.stem(pixel_values)))
        hidden: Tensor = self.hidden(maps.mean(dim=(2, 3)))
        return hidden


def mobilenet_v3_small(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    stem: Stem | Literal["auto"] = "auto",
    dropout: float = 0.2,
) -> PreTrainedModel:
    """Make a MobileNetV3-Small (2.5 M weights) with fresh weights.

    The stem is chosen by the picture's longer side: "full" up to 32 pixels, "small" up to 64.
    """
    if stem == "auto":
        longest = max(image_size)
        stem = "large" if longest > 64 else "small" if longest > 32 else "full"
    return MobileNetV3ForImageClassification(
        MobileNetV3Config(
            stem=stem,
            dropout=dropout,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"mobilenet_v3_small": mobilenet_v3_small}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``."""
    return build_network(BUILDERS, key, request, side=224)


register(MobileNetV3Config, MobileNetV3ForImageClassification)
