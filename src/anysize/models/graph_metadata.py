"""What a graph file says of itself: the card and the settings that its inputs are made with.

Texts under names that begin with ``anysize.``, in the metadata of an ONNX file or the ``rt_info``
of OpenVINO's form; all but ``task`` are JSON. Who reads a graph elsewhere finds there the class
names, the size and normalisation of pictures, or the window and padding of texts.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import BundleError
from anysize.models.bundle import FORMAT, Card
from anysize.models.network import Network

PREFIX = "anysize."
_FIELDS = (
    "task", "labels", "model", "merge", "text", "image", "features", "licence", "selection",
    "head",
)  # fmt: skip
# What readers.resize does: a side that shrinks is averaged by area, one that grows is linear.
_RESIZE = {"shrink": "area", "enlarge": "bilinear"}


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
    known = dataclasses.asdict(card)
    entries |= {name: known[name] for name in _FIELDS if known.get(name) not in (None, {})}
    entries["outputs"] = network.outputs
    entries["scores"] = network.pool is not None
    entries["precision"] = "float32" if card.form is None else card.form.precision
    if network.image is not None:
        entries["resize"] = _RESIZE
        if getattr(network.module, "finder", None) is not None:
            entries["finder"] = True
    if network.text is not None:
        entries["pad_token_id"] = int(getattr(network.module.config, "pad_token_id", None) or 0)
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
        if entries.get("finder"):
            raise BundleError(
                origin,
                "embeds the faces that its bundle finds in pictures first, and a graph file does "
                "not hold what finds them: give the bundle that it was exported from",
            )
        _check_resize(entries.get("resize", _RESIZE), origin)
        return GraphMetadata(
            card=Card.from_json(entries, origin),
            outputs=outputs,
            scores=bool(entries.get("scores")),
            pad_token_id=None if padding is None else int(padding),
            precision=str(entries.get("precision", "float32")),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(origin, f"its metadata are damaged: {error!r}") from error


def _check_resize(found: object, origin: str) -> None:
    if found != _RESIZE:
        raise BundleError(
            origin,
            f"its pictures must be resized with {json.dumps(found)}, and here they are resized "
            f"with {json.dumps(_RESIZE)}: scores would not be those of the model",
        )
