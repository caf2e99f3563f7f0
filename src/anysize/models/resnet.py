"""Residual nets of 18, 34 and 50 layers (He et al. 2016, arXiv:1512.03385).

Three stems share the same four stages; which one fits depends on the size of the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import initialization as init

from anysize.models.convolution import Convolution
from anysize.models.network import BuildRequest, Network
from anysize.models.patches import whiten
from anysize.models.vision import (
    PictureClassifier,
    PictureClassifierConfig,
    build_network,
    register,
    size_problems,
)

PROVIDES = ("resnet18", "resnet34", "resnet50")

Block = Literal["basic", "bottleneck"]
Stem = Literal["large", "small", "full"]

_EXPANSION: dict[str, int] = {"basic": 1, "bottleneck": 4}
_STEMS = ("large", "small", "full")


class ResNetConfig(PictureClassifierConfig):
    """Configuration of :class:`ResNetForImageClassification`.

    Args:
        block: "basic" (two 3 x 3 convolutions) or "bottleneck" (1 x 1, 3 x 3, 1 x 1).
        depths: residual blocks in each stage.
        hidden_sizes: channels of the 3 x 3 convolutions in each stage; the output of a bottleneck
            block has four times as many. Every stage but the first halves height and width.
        stem: "large" divides height and width by 4 (7 x 7 convolution, max pooling), "small" by 2
            (4 x 4 convolution), "full" by 1 (3 x 3 convolution, section 4.2 of the paper).
        **kwargs: ``image_size``, ``num_channels`` and what every configuration has, ``num_labels``
            for one.
    """

    model_type = "anysize_resnet"

    def __init__(
        self,
        block: Block = "basic",
        depths: Sequence[int] = (2, 2, 2, 2),
        hidden_sizes: Sequence[int] = (64, 128, 256, 512),
        stem: Stem = "large",
        **kwargs: Any,
    ) -> None:
        self.block = block
        self.depths = list(depths)
        self.hidden_sizes = list(hidden_sizes)
        self.stem = stem
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        found += size_problems("depths", self.depths)
        found += size_problems("hidden_sizes", self.hidden_sizes)
        if len(self.depths) != len(self.hidden_sizes):
            found.append(
                f"depths and hidden_sizes must be equally long, not {self.depths} and "
                f"{self.hidden_sizes}"
            )
        if self.block not in _EXPANSION:
            found.append(f"block must be one of {sorted(_EXPANSION)}, not {self.block!r}")
        if self.stem not in _STEMS:
            found.append(f"stem must be one of {list(_STEMS)}, not {self.stem!r}")
        return found


class ZeroScaleNorm(nn.BatchNorm2d):
    """Batch norm whose scale starts at zero."""


class ConvolutionNorm(nn.Module):
    """Convolution without bias, then batch norm."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        norm: type[nn.BatchNorm2d] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.convolution = Convolution(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = norm(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``."""
        normed: Tensor = self.norm(self.convolution(maps))
        return normed


class ResidualBlock(nn.Module):
    """``relu(shortcut(x) + closing(opening(x)))``; the stride sits in a 3 x 3 convolution.

    The last scale starts at zero, so that a fresh block is its shortcut (Goyal et al. 2017,
    arXiv:1706.02677, section 5.1).
    """

    def __init__(self, inputs: int, width: int, stride: int, block: Block) -> None:
        super().__init__()
        outputs = width * _EXPANSION[block]
        if block == "basic":
            self.opening = nn.Sequential(ConvolutionNorm(inputs, width, 3, stride), nn.ReLU())
            self.closing = ConvolutionNorm(width, outputs, 3, norm=ZeroScaleNorm)
        else:
            self.opening = nn.Sequential(
                ConvolutionNorm(inputs, width, 1),
                nn.ReLU(),
                ConvolutionNorm(width, width, 3, stride),
                nn.ReLU(),
            )
            self.closing = ConvolutionNorm(width, outputs, 1, norm=ZeroScaleNorm)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvolutionNorm(inputs, outputs, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``, rounded up."""
        return functional.relu(self.closing(self.opening(maps)) + self.shortcut(maps))


class ResNetForImageClassification(PictureClassifier):
    """Stem, four stages of residual blocks, mean over the picture, one linear layer."""

    config_class = ResNetConfig
    any_size = True

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
        inputs = config.hidden_sizes[0]
        self.stem = _stem(config.num_channels, inputs, config.stem)
        blocks: list[nn.Module] = []
        for stage, (depth, width) in enumerate(
            zip(config.depths, config.hidden_sizes, strict=True)
        ):
            for position in range(depth):
                stride = 2 if stage > 0 and position == 0 else 1
                blocks.append(ResidualBlock(inputs, width, stride, config.block))
                inputs = width * _EXPANSION[config.block]
        self.blocks = nn.Sequential(*blocks)
        self.finish(inputs)

    def features(self, pixel_values: Tensor) -> Tensor:
        """Channel means ``[n, outputs]`` of pictures ``[n, channels, height, width]``."""
        pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.blocks(self.stem(pixel_values))
        return maps.mean(dim=(2, 3))

    @property
    def starts_from_data(self) -> bool:
        """Whether ``start_from`` should be called: the stems for small pictures gain by it."""
        return bool(self.config.stem != "large")

    def start_from(self, batches: Iterable[Tensor]) -> None:
        """Takes the first filters from normalised pictures ``[n, channels, height, width]``."""
        first = cast(ConvolutionNorm, self.stem[0])
        whiten(first.convolution, batches)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ZeroScaleNorm):
            init.zeros_(module.weight)


def _stem(channels: int, width: int, kind: Stem) -> nn.Sequential:
    if kind == "large":
        return nn.Sequential(
            ConvolutionNorm(channels, width, 7, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
    if kind == "small":
        return nn.Sequential(ConvolutionNorm(channels, width, 4, 2), nn.ReLU())
    return nn.Sequential(ConvolutionNorm(channels, width, 3), nn.ReLU())


def _fitting_stem(image_size: tuple[int, int]) -> Stem:
    """The stem after which the stages still see about 8 to 64 pixels a side."""
    longest = max(image_size)
    if longest > 64:
        return "large"
    return "small" if longest > 16 else "full"


def _resnet(
    block: Block,
    depths: Sequence[int],
    num_labels: int,
    image_size: tuple[int, int],
    channels: int,
    stem: Stem | Literal["auto"],
) -> PreTrainedModel:
    return ResNetForImageClassification(
        ResNetConfig(
            block=block,
            depths=depths,
            stem=_fitting_stem(image_size) if stem == "auto" else stem,
            image_size=image_size,
            num_channels=channels,
            num_labels=num_labels,
        )
    )


def resnet18(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    stem: Stem | Literal["auto"] = "auto",
) -> PreTrainedModel:
    """Make an 18-layer residual net (11 M weights) with fresh weights."""
    return _resnet("basic", (2, 2, 2, 2), num_labels, image_size, channels, stem)


def resnet34(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    stem: Stem | Literal["auto"] = "auto",
) -> PreTrainedModel:
    """Make a 34-layer residual net (21 M weights) with fresh weights."""
    return _resnet("basic", (3, 4, 6, 3), num_labels, image_size, channels, stem)


def resnet50(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    stem: Stem | Literal["auto"] = "auto",
) -> PreTrainedModel:
    """Make a 50-layer residual net with bottleneck blocks (24 M weights) with fresh weights."""
    return _resnet("bottleneck", (3, 4, 6, 3), num_labels, image_size, channels, stem)


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``."""
    return build_network(BUILDERS, key, request, side=224)


register(ResNetConfig, ResNetForImageClassification)
