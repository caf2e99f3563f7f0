"""A network of a graph file: the settings that its metadata has, and no weights.

What is exported as ONNX or for OpenVINO is read back so; the runtime of the format runs it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn
from transformers import PretrainedConfig

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models.compiled import stand_in
from anysize.models.graph_metadata import GraphMetadata
from anysize.models.network import FeatureSettings, Form, ImageSettings, Network
from anysize.models.onnx.graph import digest

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Shapes by name; 0 is a free size, and nothing a free number of axes."""


def network_of(
    path: Path, known: GraphMetadata, *, runtime: str, outputs: tuple[str, ...]
) -> Network:
    """A network whose form is a graph file.

    Args:
        path: of the file; for texts its tokenizer lies beside it.
        known: what the file says of itself.
        runtime: what runs it.
        outputs: what the graph gives, by name; ``probabilities`` stands for logits.

    Raises:
        BundleError: there is no tokenizer beside a graph that reads texts.
    """
    card = known.card
    config = PretrainedConfig(
        id2label=dict(enumerate(card.labels)),
        label2id={label: place for place, label in enumerate(card.labels)},
    )
    # The digest tells one file from another where measurements are remembered.
    weights = path.with_suffix(".bin")
    digests = digest(path) + (digest(weights) if weights.is_file() else "")
    config.update({"pad_token_id": known.pad_token_id, "anysize_digest": digests})
    network = Network(
        module=stand_in(config),
        spec=str(path),
        text=card.text,
        image=card.image,
        features=card.features,
        licence=card.licence,
        outputs=known.outputs,
        form=Form(runtime=runtime, precision=known.precision, file=str(path), outputs=outputs),
    )
    if known.scores:
        # The graph scores the windows itself; this only says that it does.
        network.pool = nn.Linear(1, 1)
    if card.text is not None:
        network.tokenizer = tokenizer_beside(path)
        config.update({"vocab_size": network.tokenizer.get_vocab_size()})
    return network


def tokenizer_beside(path: Path) -> Any:
    """The tokenizer beside a graph file, with truncation and padding off.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    from tokenizers import Tokenizer

    file = path.parent / "tokenizer.json"
    if not file.is_file():
        raise BundleError(str(path), "reads texts, and there is no tokenizer.json beside it")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise BundleError(str(file), f"is not a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def fitted(path: Path, known: GraphMetadata, *, inputs: Shapes, outputs: Shapes) -> GraphMetadata:
    """The metadata with the sizes that are fixed in the graph, which may have been changed since.

    Args:
        path: of the file, for messages.
        known: what the file says of itself.
        inputs: shapes of the graph's.
        outputs: the same.

    Raises:
        BundleError: graph and metadata do not fit; all faults are named.
    """
    card = known.card
    shape = next(iter(inputs.values()), ())
    problems = label_problems(known, outputs)
    changed: dict[str, Any] = {}
    try:
        if card.image is not None:
            changed["image"] = _image(card.image, shape, problems)
        elif card.features is not None:
            changed["features"] = _features(card.features, shape, problems)
        elif shape and shape[-1]:
            problems.append(
                f"its texts must all be {shape[-1]} tokens long: export it with a free length"
            )
    except ConfigurationError as error:
        problems.append(str(error))
    if problems:
        raise BundleError(str(path), "; ".join(problems))
    return dataclasses.replace(known, card=dataclasses.replace(card, **changed))


def label_problems(known: GraphMetadata, outputs: Shapes) -> list[str]:
    """What is wrong where the labels are not as many as the logits; nothing where it is right."""
    if known.outputs != ("logits",):  # detectors may have one for "no object"
        return []
    shape = next(iter(outputs.values()), ())
    labels = len(known.card.labels)
    if not shape or shape[-1] in (0, labels):
        return []
    return [f"its graph gives {shape[-1]} logits, and its metadata name {labels} labels"]


def _image(image: ImageSettings, shape: tuple[int, ...], problems: list[str]) -> ImageSettings:
    if shape and (len(shape) != 4 or shape[1] not in (0, 3)):
        problems.append(f"its pictures must be [n, 3, height, width], not {list(shape)}")
        return image
    height, width = shape[2:] if shape else (0, 0)
    return dataclasses.replace(image, width=width or image.width, height=height or image.height)


def _features(
    features: FeatureSettings, shape: tuple[int, ...], problems: list[str]
) -> FeatureSettings:
    wanted = 3 if features.steps else 2
    if shape and (len(shape) != wanted or shape[-1] not in (0, features.width)):
        problems.append(
            f"its metadata name {features.width} numbers"
            f"{' for each step' if features.steps else ''}, and its graph takes {list(shape)}"
        )
        return features
    fixed = shape[1] if features.steps and shape else 0
    if not fixed or fixed == features.steps == features.least:
        return features
    overlap = min(features.overlap, fixed - 1)
    return dataclasses.replace(features, steps=fixed, least=fixed, overlap=overlap)
