"""What a caller knows of a model that its file does not say: names of classes, values of pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.models.classifier import name_classes
from anysize.models.network import Network
from anysize.models.pixels import parse

_LARGEST = 1 << 24


def read_labels(text: str) -> tuple[str, ...]:
    """Names of classes: a file with one a line, or names with commas between them.

    Raises:
        DataError: the file cannot be read.
        ConfigurationError: names are empty or come twice.
    """
    path = Path(text)
    names = text.split(",")
    if path.is_file():
        try:
            if path.stat().st_size > _LARGEST:
                raise DataError(text, f"has more than {_LARGEST >> 20} MiB, too many for labels")
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(text, f"the labels cannot be read: {error}") from error
    elif "," not in text:
        raise ConfigurationError(
            f"labels must be a file with a name a line, or names with commas, not {text!r}"
        )
    found = tuple(name.strip() for name in names if name.strip())
    twice = sorted({name for name in found if found.count(name) > 1}) if len(found) < 1e4 else []
    if not found or twice:
        what = f"{twice[0]!r} comes more than once" if twice else "there are none"
        raise ConfigurationError(f"labels must be names that differ, but {what} in {text!r}")
    return found


def apply(
    network: Network, card: Card, *, labels: Sequence[str] | None, pixels: str | None
) -> tuple[Network, Card]:
    """A network and its card with other names of classes and another normalisation.

    Args:
        network: opened.
        card: of it.
        labels: in the order of its outputs; None keeps its own.
        pixels: see ``models.pixels``; None keeps its own.

    Raises:
        ConfigurationError: another number of labels, or not a model of pictures.
    """
    if labels is not None:
        if len(labels) != len(card.labels):
            raise ConfigurationError(
                f"labels: {len(labels)} names for a model of {len(card.labels)} classes"
            )
        card = dataclasses.replace(card, labels=tuple(labels))
        config = network.module.config
        name_classes(config, labels)
    if pixels is None:
        return network, card
    settings = network.settings
    if not isinstance(settings, ImageSettings):
        raise ConfigurationError(f"pixels: {network.spec} reads no pictures")
    found = parse(pixels)
    if found.bgr != bool(getattr(network.module.config, "bgr", False)):
        raise ConfigurationError(
            f"pixels: the order of channels of {network.spec} cannot be changed: only that of a "
            "Keras file can, and of an ONNX detector by its adapter file"
        )
    network.settings = dataclasses.replace(settings, mean=found.mean, std=found.std)
    return network, dataclasses.replace(card, settings=network.settings)
