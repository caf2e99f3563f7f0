"""Detectors of transformers (RT-DETR, D-FINE, YOLOS, DETR, …) from a folder or hub id.

They predict a set of boxes at once, and are trained by matching it with the objects (Carion et al.
2020, "End-to-end object detection with transformers", arXiv:2005.12872). Their forward pass makes
that loss itself, auxiliary losses and denoising included.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

from anysize.core.errors import BundleError, MissingExtraError
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.detection_targets import detection_targets
from anysize.models.network import Network

_OUTPUTS = ("logits", "pred_boxes")


def adapt(network: Network) -> None:
    """Says which outputs are taken, what training gives the network, and how pictures are tiled.

    Args:
        network: with its module and picture settings.

    Raises:
        BundleError: the model gives something else than boxes.
    """
    if not hasattr(network.module.config, "id2label"):
        raise BundleError(network.spec, "has no class names")
    network.outputs = _OUTPUTS
    network.targets = detection_targets
    settings = network.reads(ImageSettings)
    if not settings.overlap:
        network.settings = tiled(settings)


def check_training(network: Network) -> None:
    """Asks for what matches the predictions of transformers' detectors with the objects.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    ours = network.module.config.model_type.startswith("anysize_")
    if not ours and find_spec("scipy") is None:
        raise MissingExtraError("scipy", "vision")


def tiled(image: ImageSettings) -> ImageSettings:
    """The same with tiles of the input's own size that share a quarter of it."""
    return dataclasses.replace(image, overlap=min(image.width, image.height) // 4)
