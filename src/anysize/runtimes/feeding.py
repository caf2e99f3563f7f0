"""How examples go into a compiled form: the one place that names, pads and normalises its inputs.

Shared by the runtimes and exporters that turn a network into a graph. A graph's inputs are float32
pictures ``pixel_values`` ``[n, 3, height, width]``, normalised; or int64 token ids ``input_ids``
and ``attention_mask``, with what else the network takes beside them (``token_type_ids``), all
``[n, length]``; or float32 numbers ``features`` ``[n, width]`` or
``[n, steps, width]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError
from anysize.core.examples import Example, Outputs, Ragged, Rows, same_shapes
from anysize.models.network import Network
from anysize.models.padded_text import PaddedInputs, token_lengths

BATCH, LENGTH = "batch", "length"
"""Names of the axes that are free."""

# Not every length is a shape to be compiled: beyond this many tokens they are rounded up, to steps
# that grow with them, so that a sixteenth of the tokens is added at most, and two in a hundred.
_EXACT = 32


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input of a graph.

    Attributes:
        name: what the module's ``forward`` calls it.
        axes: each axis's size, or the name of a free one.
        kind: of its numbers.
        least: the shortest length that it may have.
    """

    name: str
    axes: tuple[int | str, ...]
    kind: type[np.generic]
    least: int = 1

    def example(self, batch: int = 2, length: int = 16) -> NDArray[Any]:
        """Ones or zeros of a shape that it may have."""
        sizes = {BATCH: batch, LENGTH: max(length, self.least)}
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in self.axes]
        # A mask of zeros would attend to nothing.
        return (np.zeros if self.kind is np.float32 else np.ones)(shape, self.kind)


def graph_inputs(network: Network) -> tuple[GraphInput, ...]:
    """The inputs of a network's graph, in order."""
    if network.image is not None:
        axes = (BATCH, 3, network.image.height, network.image.width)
        return (GraphInput("pixel_values", axes, np.float32),)
    if network.features is not None:
        settings = network.features
        length = (LENGTH if settings.varying else settings.steps,) if settings.steps else ()
        axes = (BATCH, *length, settings.width)
        return (GraphInput("features", axes, np.float32, settings.least),)
    names = ("input_ids", "attention_mask", *network.beside)
    return tuple(GraphInput(name, (BATCH, LENGTH), np.int64) for name in names)


def graph_outputs(network: Network) -> tuple[str, ...]:
    """Names of what a network's graph gives, in order."""
    return network.outputs if network.pool is None else (*network.outputs, "scores")


def has_one_size(network: Network) -> bool:
    """Whether a network's graph takes windows of one size and no other."""
    return not any(LENGTH in item.axes for item in graph_inputs(network))


def padded_length(length: int) -> int:
    """The next length that rows of tokens are filled up to."""
    step = 1
    while step * _EXACT < length:
        step *= 2
    return -(-length // step) * step


class Feeding:
    """Examples to the arrays of `graph_inputs`, in their order; numbers must be of one length.

    Args:
        network: its settings and configuration are read, never its weights.
    """

    def __init__(self, network: Network) -> None:
        self._text, self._image, self._features = network.text, network.image, network.features
        self._padded = PaddedInputs(network)
        if network.image is not None:
            self._scale = 1 / (255 * np.array(network.image.std, np.float32))
            self._shift = 255 * np.array(network.image.mean, np.float32) * self._scale

    def __call__(self, examples: Sequence[Example]) -> list[NDArray[Any]]:
        if self._features is not None:
            return [np.stack([example.arrays["features"] for example in examples])]
        return self._pictures(examples) if self._image is not None else self._tokens(examples)

    def _tokens(self, examples: Sequence[Example]) -> list[NDArray[Any]]:
        longest = int(token_lengths(examples).max())
        padded = padded_length(longest)
        if self._text is not None:
            padded = max(min(padded, self._text.window), longest)
        return list(self._padded(examples, padded).values())

    def _pictures(self, examples: Sequence[Example]) -> list[NDArray[Any]]:
        height, width = examples[0].arrays["pixels"].shape[:2]
        values = np.empty((len(examples), 3, height, width), np.float32)
        # A plane at a time stays in the cache: seven times faster than whole arrays.
        for picture, example in zip(values, examples, strict=True):
            for place, plane in enumerate(picture):
                np.multiply(example.arrays["pixels"][..., place], self._scale[place], out=plane)
                plane -= self._shift[place]
        return [values]


def collected(
    found: Mapping[str, NDArray[Any]], examples: Sequence[Example], network: Network
) -> Outputs:
    """What a graph gave, float32, with the padding of outputs for each token left out."""
    arrays: dict[str, Rows] = {}
    for name, array in found.items():
        values = np.asarray(array, np.float32)
        if name in network.per_token:
            arrays[name] = Ragged.unpadded(values, token_lengths(examples))
        else:
            arrays[name] = values
    return Outputs(arrays)


def in_batches(
    run: Callable[[list[NDArray[Any]]], Sequence[NDArray[Any]]],
    arrays: Sequence[NDArray[Any]],
    fixed: int,
) -> list[NDArray[Any]]:
    """What ``run`` gives, of a graph that may have been made for so many windows at once only.

    Args:
        run: from the inputs to the outputs.
        arrays: the inputs.
        fixed: how many windows the graph takes; 0 is any number.
    """
    count = len(arrays[0])
    if fixed in (0, count):
        return list(run(list(arrays)))
    parts = []
    for start in range(0, count, fixed):
        places = np.minimum(np.arange(start, start + fixed), count - 1)
        parts.append(run([array[places] for array in arrays]))
    return [np.concatenate(each)[:count] for each in zip(*parts, strict=True)]


def check_logits(found: Mapping[str, NDArray[Any]], network: Network) -> None:
    """Holds the logits of a graph against the labels, which its own text may not have told.

    Raises:
        BundleError: they are not as many.
    """
    if network.form is None or network.outputs != ("logits",):
        return  # detectors may have one for "no object"
    logits = found["logits"]
    labels = len(getattr(network.module.config, "id2label", None) or ())
    if logits.shape[-1] != labels:
        raise BundleError(
            network.form.file,
            f"its graph gives {logits.shape[-1]} logits, and there are {labels} labels: name as "
            "many labels as it has logits",
        )


def by_length(run: Callable[[Sequence[Example]], Outputs], examples: Sequence[Example]) -> Outputs:
    """What ``run`` gives for all examples, called once for each length where they are numbers.

    A sequence of numbers is never padded: padding would change what the model gives for it.
    """
    groups = same_shapes(examples, "features")
    if len(groups) == 1:
        return run(examples)
    found = [run([examples[place] for place in group]) for group in groups]
    return Outputs.joined(found, np.argsort(np.concatenate(groups)))
