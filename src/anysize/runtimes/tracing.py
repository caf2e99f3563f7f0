"""A network as a function of plain tensors, for whatever turns modules into graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anysize.models.execution import FeatureTap
from anysize.models.first_token import FirstTokenClassifier, reads_first_token
from anysize.models.network import Network
from anysize.runtimes.feeding import graph_inputs


class Traceable(nn.Module):
    """The module with the inputs of `graph_inputs` and the outputs of `graph_outputs`, in order.

    Args:
        network: put into evaluation mode.
        lean: leave out what does not change the result, see ``models.first_token``; False runs the
            module's own ``forward``.
    """

    def __init__(self, network: Network, *, lean: bool = True) -> None:
        super().__init__()
        module = network.module
        shorter = lean and reads_first_token(module)
        self.module = FirstTokenClassifier(module) if shorter else module
        self.pool = network.pool  # so that its weights are traced as parameters
        self._tap = FeatureTap(network)
        self._inputs = tuple(item.name for item in graph_inputs(network))
        self._outputs = network.outputs
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.module(**dict(zip(self._inputs, inputs, strict=True)))
        if self._outputs == ("logits",):
            return tuple(self._tap.scored(outputs.logits).values())
        return tuple(getattr(outputs, name) for name in self._outputs)


def weight_bytes(network: Network) -> int:
    """Bytes of a network's weights in float32."""
    return 4 * sum(item.numel() for item in network.module.parameters())


def example_tensors(network: Network) -> tuple[Tensor, ...]:
    """Inputs to trace with: two windows, of sixteen tokens each where they are text."""
    return tuple(torch.from_numpy(item.example()) for item in graph_inputs(network))
