"""How examples go into a compiled form: its inputs and outputs, by the modality.

Shared by the runtimes and exporters that turn a network into a graph. The inputs of each modality
are named, padded and normalised in its own file (``anysize.modalities``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError
from anysize.core.examples import Example, Outputs, Ragged, Rows, same_shapes
from anysize.modalities import modality_of
from anysize.modalities.parts import LENGTH, Feeding, GraphInput
from anysize.models.network import Network


def graph_inputs(network: Network) -> tuple[GraphInput, ...]:
    """The inputs of a network's graph, in order."""
    return modality_of(network.settings).graph_inputs(network)


def graph_outputs(network: Network) -> tuple[str, ...]:
    """Names of what a network's graph gives, in order."""
    return network.outputs if network.pool is None else (*network.outputs, "scores")


def has_one_size(network: Network) -> bool:
    """Whether a network's graph takes windows of one size and no other."""
    return not any(LENGTH in item.axes for item in graph_inputs(network))


def feeding(network: Network) -> Feeding:
    """Examples to the arrays of `graph_inputs`, in their order; the weights are never read."""
    return modality_of(network.settings).feeding(network)


def runs_apart(network: Network) -> bool:
    """Whether examples of other shapes are run apart instead of padded, see `by_shape`."""
    return bool(modality_of(network.settings).apart(network))


def collected(
    found: Mapping[str, NDArray[Any]], examples: Sequence[Example], network: Network
) -> Outputs:
    """What a graph gave, float32, with the padding of outputs for each token left out."""
    arrays: dict[str, Rows] = {}
    for name, array in found.items():
        values = np.asarray(array, np.float32)
        if name in network.per_token:
            lengths = modality_of(network.settings).lengths(examples, network)
            arrays[name] = Ragged.unpadded(values, lengths)
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
    """Holds the logits of a graph against the labels, which its own text may not name.

    Raises:
        BundleError: they are not as many.
    """
    if network.form is None or network.outputs != ("logits",):
        return  # detectors may have one for "no object"
    logits = found["logits"]
    if network.per_token and logits.shape[-1] == getattr(network.module.config, "vocab_size", 0):
        return  # of the tokens of a vocabulary
    labels = len(getattr(network.module.config, "id2label", None) or ())
    if logits.shape[-1] != labels:
        raise BundleError(
            network.form.file,
            f"its graph gives {logits.shape[-1]} logits, and there are {labels} labels: name as "
            "many labels as it has logits",
        )


def by_shape(
    network: Network, run: Callable[[Sequence[Example]], Outputs], examples: Sequence[Example]
) -> Outputs:
    """What ``run`` gives for all examples, called once for each shape where they are not padded.

    A sequence of numbers is never padded: padding would change what the model gives for it.
    """
    groups = same_shapes(examples, modality_of(network.settings).apart(network))
    if len(groups) == 1:
        return run(examples)
    found = [run([examples[place] for place in group]) for group in groups]
    return Outputs.joined(found, np.argsort(np.concatenate(groups)))
