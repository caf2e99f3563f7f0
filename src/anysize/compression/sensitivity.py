"""Which layers suffer from int8: each is quantized alone, and the error of the output measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from anysize.compression.quantization import Graph, quantize
from anysize.core.files import write_json

# Ranges of one layer need few windows, and there are many layers.
_CALIBRATED = 16
_MEASURED = 32


@dataclass(frozen=True, slots=True)
class LayerError:
    """A layer, and what quantizing it alone does.

    Attributes:
        layer: the operation's name. Names that OpenVINO makes up are others in each conversion.
        place: among the layers, in the order of execution.
        error: of the output, as a part of the output's spread over the windows (root mean
            square over root mean square).
        changed: the share of windows whose largest output is another one.
    """

    layer: str
    place: int
    error: float
    changed: float


def measure(graph: Graph, say: Callable[[str], None]) -> list[LayerError]:
    """The layers of a network, the most sensitive first.

    Args:
        graph: with windows of the data; the first 32 are used.
        say: hears how far it is.
    """
    expected = graph.outputs(graph.model, _MEASURED)
    spread = float(np.sqrt(np.mean((expected - expected.mean(axis=0)) ** 2))) or 1.0
    layers = graph.layers()
    found = []
    for place, layer in enumerate(layers):
        others = [name for name in layers if name != layer]
        alone = graph.outputs(quantize(graph, keep=others, windows=_CALIBRATED), _MEASURED)
        found.append(
            LayerError(
                layer=layer,
                place=place,
                error=float(np.sqrt(np.mean((alone - expected) ** 2))) / spread,
                changed=float(np.mean(alone.argmax(axis=1) != expected.argmax(axis=1))),
            )
        )
        if (place + 1) % 10 == 0 or place + 1 == len(layers):
            say(f"sensitivity to int8: {place + 1} of {len(layers)} layers measured")
    return sorted(found, key=lambda each: -each.error)


def remembered(graph: Graph, path: Path | None, say: Callable[[str], None]) -> Sequence[LayerError]:
    """The same, kept in a file for the next candidate of the same network; None keeps nothing.

    The file says which layers by their places: they get the names that they have in ``graph``.
    """
    if path is not None and path.is_file():
        names = graph.layers()
        kept = [LayerError(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
        return [replace(each, layer=names[each.place]) for each in kept]
    found = measure(graph, say)
    if path is not None:
        write_json(path, [asdict(each) for each in found])
    return found
