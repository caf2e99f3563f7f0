"""Vision transformer of the smallest usual size (Dosovitskiy et al. 2021, arXiv:2010.11929).

The size is DeiT-Ti (Touvron et al. 2021, arXiv:2012.12877): 12 layers, 192 wide, 3 heads, 5.7
million weights at 1,000 classes. The net is transformers' own ``ViTForImageClassification``.
"""

from __future__ import annotations

from collections.abc import Callable

from transformers import PreTrainedModel, ViTConfig, ViTForImageClassification

from anysize.core.errors import ConfigurationError
from anysize.models.network import BuildRequest, Network
from anysize.models.picture_sizes import rounded
from anysize.models.vision import build_network

PROVIDES = ("vit_tiny",)

_SMALL_PATCH = 4
_PATCH = 16


def vit_tiny(
    *,
    num_labels: int,
    image_size: tuple[int, int],
    channels: int = 3,
    patch_size: int = 0,
    num_hidden_layers: int = 12,
    dropout: float = 0.0,
) -> PreTrainedModel:
    """Make a vision transformer (5.7 M weights) with fresh weights.

    It is tied to one picture size: every patch has a position of its own.

    Args:
        num_labels: classes.
        image_size: ``(height, width)`` of the pictures, multiples of the patch.
        channels: of the pictures.
        patch_size: side of a patch in pixels; 0 is 16, and 4 for pictures of up to 64 pixels a
            side.
        num_hidden_layers: how many attention layers.
        dropout: probability with which a hidden value is set to zero in training.

    Raises:
        ConfigurationError: a side is not a multiple of the patch.
    """
    patch = patch_size or (_SMALL_PATCH if max(image_size) <= 64 else _PATCH)
    if any(side % patch or not side for side in image_size):
        raise ConfigurationError(
            f"image_size must be multiples of the patch of {patch} pixels (patch_size), "
            f"not {image_size[1]}x{image_size[0]}: pixels beyond the last patch would not be read"
        )
    config = ViTConfig(
        hidden_size=192,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=3,
        intermediate_size=768,
        hidden_dropout_prob=dropout,
        image_size=list(image_size),
        patch_size=patch,
        num_channels=channels,
    )
    config.num_labels = num_labels
    return ViTForImageClassification(config)


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"vit_tiny": vit_tiny}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network; see ``vision.build_network``. Small sizes are rounded up to the patch."""
    return build_network(BUILDERS, key, rounded(request, _SMALL_PATCH), side=224)
