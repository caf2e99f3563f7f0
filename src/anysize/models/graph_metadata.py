"""What a graph file says of itself: the card and the settings that its inputs are made with.

Texts under names that begin with ``anysize.``, in the metadata of an ONNX file or the ``rt_info``
of OpenVINO's form; all but ``task`` are JSON. Who reads a graph elsewhere finds there the class
names, the size and normalisation of pictures, or the window and padding of texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import BundleError
from anysize.modalities import modality_of
from anysize.models.bundle import FORMAT, Card
from anysize.models.network import Network

PREFIX = "anysize."
_FIELDS = (
    "task", "labels", "model", "merge", "modality", "settings", "licence", "prediction", "head",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphMetadata:
    """What is known of a graph.

    Attributes:
        card: task, labels, windows, merge rule, licence.
        outputs: names of what the graph gives, in order, without ``scores``.
        scores: whether a last output scores windows for learned pooling.
        pad_token_id: of texts; None elsewhere.
        precision: that the weights are in.
    """

    card: Card
    outputs: tuple[str, ...]
    scores: bool = False
    pad_token_id: int | None = None
    precision: str = "float32"


def describe(network: Network, card: Card) -> dict[str, str]:
    """The texts for a network's graph.

    Args:
        network: whose graph it is.
        card: of its bundle.
    """
    entries: dict[str, Any] = {"format": FORMAT}
    known = card.to_json()
    entries |= {name: known[name] for name in _FIELDS if name in known}
    entries["outputs"] = network.outputs
    entries["scores"] = network.pool is not None
    entries["precision"] = "float32" if card.form is None else card.form.precision
    entries |= modality_of(network.settings).graph_notes(network)
    return {
        PREFIX + name: value if name == "task" else json.dumps(value, ensure_ascii=False)
        for name, value in entries.items()
    }


def read(texts: Mapping[str, str], origin: str) -> GraphMetadata | None:
    """What `describe` wrote; None where the file is not one of ours.

    Args:
        texts: all of the file's metadata.
        origin: names the file in errors.

    Raises:
        BundleError: the texts are damaged or of another format.
    """
    ours = {
        name.removeprefix(PREFIX): value for name, value in texts.items() if name.startswith(PREFIX)
    }
    if "task" not in ours:
        return None
    try:
        entries = {
            name: value if name == "task" else json.loads(value) for name, value in ours.items()
        }
        outputs = tuple(map(str, entries["outputs"]))
        padding = entries.get("pad_token_id")
        card = Card.from_json(entries, origin)
        problems = modality_of(card.settings).graph_problems(entries)
        if problems:
            raise BundleError(origin, "; ".join(problems))
        return GraphMetadata(
            card=card,
            outputs=outputs,
            scores=bool(entries.get("scores")),
            pad_token_id=None if padding is None else int(padding),
            precision=str(entries.get("precision", "float32")),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(origin, f"its metadata are damaged: {error!r}") from error
