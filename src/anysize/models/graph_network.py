"""A network of a graph file: the settings that its metadata has, and no weights.

What is exported as ONNX or for OpenVINO is read back so; the runtime of the format runs it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from torch import nn
from transformers import PretrainedConfig

from anysize import heads
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities import modality_of
from anysize.models.classifier import class_entries
from anysize.models.compiled import stand_in
from anysize.models.graph_metadata import GraphMetadata
from anysize.models.network import Form, Network
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
        outputs: what the graph gives, by name; ``probabilities`` in place of logits.

    Raises:
        BundleError: there is no tokenizer beside a graph that reads texts.
    """
    card = known.card
    config = PretrainedConfig(
        **class_entries(heads.of(card.head).outputs(card.labels)),
    )
    # The digest identifies the file where measurements are kept.
    weights = path.with_suffix(".bin")
    digests = digest(path) + (digest(weights) if weights.is_file() else "")
    config.update({"pad_token_id": known.pad_token_id, "anysize_digest": digests})
    network = Network(
        module=stand_in(config),
        spec=str(path),
        settings=card.settings,
        licence=card.licence,
        outputs=known.outputs,
        form=Form(runtime=runtime, precision=known.precision, file=str(path), outputs=outputs),
    )
    if known.scores:
        # The graph scores the windows itself; this only says that it does.
        network.pool = nn.Linear(1, 1)
    modality_of(card.settings).restore(network, path)
    return network


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
    settings = card.settings
    try:
        settings = modality_of(settings).fitted(settings, shape, problems)
    except ConfigurationError as error:
        problems.append(str(error))
    if problems:
        raise BundleError(str(path), "; ".join(problems))
    return dataclasses.replace(known, card=dataclasses.replace(card, settings=settings))


def label_problems(known: GraphMetadata, outputs: Shapes) -> list[str]:
    """What is wrong where the labels are not as many as the logits; nothing where it is right."""
    if known.outputs != ("logits",):  # detectors may have one for "no object"
        return []
    shape = next(iter(outputs.values()), ())
    # Of ordered labels there is one output less.
    card = known.card
    wanted = len(heads.of(card.head).outputs(card.labels))
    if not shape or shape[-1] in (0, wanted):
        return []
    if not wanted:
        return [
            f"its graph gives {shape[-1]} logits for each step, and says nothing of the tokens "
            "that they are of: predict with the bundle that it was exported from; the graph is for "
            "other programs"
        ]
    named = f"its metadata name {len(card.labels)} labels"
    return [
        f"its graph gives {shape[-1]} logits, and {named}"
        + ("" if wanted == len(card.labels) else f", which are {wanted} logits")
    ]
