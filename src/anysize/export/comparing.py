"""Whether a written graph gives what the network gives, on random inputs of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.errors import RunError
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.runtimes.tracing import Traceable

TOLERANCE = 1e-3
"""Of the largest number that an output has, at least of one: float32 summed in another order."""

_SEED = 20
_SIZES = ((1, 5), (3, 31), (2, 16))

Run = Callable[[list[NDArray[Any]]], Sequence[NDArray[Any]]]


def difference(network: Network, run: Run) -> float:
    """The largest difference between a network and a graph, as a part of the largest output.

    Args:
        network: with weights; run in torch, float32.
        run: the graph, from the arrays of its inputs to its outputs in order.
    """
    module = Traceable(network, lean=False)
    worst = 0.0
    for inputs in _inputs(network):
        with torch.inference_mode():
            expected = [each.numpy() for each in module(*map(torch.from_numpy, inputs))]
        for wanted, found in zip(expected, run(inputs), strict=True):
            if found.shape != wanted.shape or not np.isfinite(found).all():
                return float("inf")
            largest = max(float(np.abs(wanted).max()), 1.0)
            worst = max(worst, float(np.abs(found - wanted).max()) / largest)
    return worst


def check(network: Network, run: Run, what: str) -> float:
    """The `difference`, once it is found to be within the tolerance.

    Raises:
        RunError: it is not.
    """
    found = difference(network, run)
    if found > TOLERANCE:
        raise RunError(
            f"{what} differs from torch by {found:.2g} of the largest output, more than "
            f"{TOLERANCE:g}: nothing was written"
        )
    return found


def _inputs(network: Network) -> Iterator[list[NDArray[Any]]]:
    random = np.random.default_rng(_SEED)
    modality = modality_of(network.settings)
    for batch, length in _SIZES:
        yield modality.noise(network, random, batch, length)
