"""ConvNeXt-T (Liu et al. 2022, arXiv:2201.03545): a convolutional net in a transformer's manner.

28.6 million weights at 1,000 classes. The net is transformers' own
``ConvNextForImageClassification``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import ConvNextConfig, ConvNextForImageClassification, PreTrainedModel

from anysize.core.errors import ConfigurationError
from anysize.models.network import BuildRequest, Network
from anysize.models.vision import build_network, size_problems

PROVIDES = ("convnext_tiny",)


def convnext_tiny(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    patch_size: int = 0,
    depths: Sequence[int] = (3, 3, 9, 3),
    hidden_sizes: Sequence[int] = (96, 192, 384, 768),
    drop_path: float = 0.1,
) -> PreTrainedModel:
    """Make a ConvNeXt (28.6 M weights) with fresh weights; it takes pictures of any size.

    Args:
        num_labels: classes.
        image_size: ``(height, width)`` of the pictures.
        channels: of the pictures.
        patch_size: by how much the first convolution divides height and width; 0 is 4, 2 for
            pictures of up to 64 pixels a side and 1 for those of up to 16.
        depths: blocks in each stage; every stage but the first halves height and width.
        hidden_sizes: channels of each stage.
        drop_path: probability with which a block is left out in training (stochastic depth), at
            the last block; it rises towards it from zero.

    Raises:
        ConfigurationError: settings that break their rules.
    """
    problems = size_problems("depths", depths) + size_problems("hidden_sizes", hidden_sizes)
    if len(depths) != len(hidden_sizes):
        problems.append(
            f"depths and hidden_sizes must be equally long, not {depths} and {hidden_sizes}"
        )
    if not 0.0 <= drop_path < 1.0:
        problems.append(f"drop_path must be at least 0 and below 1, not {drop_path!r}")
    if problems:
        raise ConfigurationError(problems)
    longest = max(image_size)
    config = ConvNextConfig(
        num_channels=channels,
        patch_size=patch_size or (4 if longest > 64 else 2 if longest > 16 else 1),
        num_stages=len(depths),
        depths=list(depths),
        hidden_sizes=list(hidden_sizes),
        drop_path_rate=drop_path,
        image_size=longest,
    )
    config.num_labels = num_labels
    return ConvNextForImageClassification(config)


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"convnext_tiny": convnext_tiny}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``."""
    return build_network(BUILDERS, key, request, side=224)
