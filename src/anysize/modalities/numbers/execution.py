"""Numbers through a network: those of one shape together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from anysize.core.examples import Example, same_shapes
from anysize.models.execution import FeatureTap, Tensors
from anysize.models.network import Network


class Numbers:
    """Vectors, or sequences of numbers: those of one length together, none of them padded.

    What a model gives for a sequence then never depends on what it was batched with.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._device = device
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        groups = same_shapes(examples, "features")
        found = [self._run([examples[place] for place in group]) for group in groups]
        if len(found) == 1:
            return found[0]
        places = torch.tensor(list(chain.from_iterable(groups)))
        order = torch.argsort(places).to(self._device)
        return {name: torch.cat([part[name] for part in found])[order] for name in found[0]}

    def _run(self, examples: Sequence[Example]) -> Tensors:
        values = torch.from_numpy(np.stack([example.arrays["features"] for example in examples]))
        return self._tap.scored(self._module(features=values.to(self._device)).logits)
