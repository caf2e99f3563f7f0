"""What one window costs: floating-point operations, of the whole and by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from anysize.models.execution import make_execution
from anysize.models.network import Network
from anysize.planning import synthetic

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Operations of one window; a multiplication and its addition are two.

    Attributes:
        total: of the whole network.
        layers: of each linear layer and convolution, by name.
    """

    total: int
    layers: dict[str, int]

    @property
    def rest(self) -> int:
        """Of all else: the products of attention."""
        return self.total - sum(self.layers.values())


def measure(network: Network) -> Flops:
    """Counts the operations of one whole window (of text: of 128 tokens, if it is that long).

    Args:
        network: on the CPU.
    """
    found: dict[str, int] = {}
    window = synthetic.windows(network, 1, longest=_TOKENS)
    execution = make_execution(network, "cpu", packed=False)
    module = network.module
    training = module.training
    module.eval()
    # The counter knows attention by its two products alone.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        _listening(module, found),
        FlopCounterMode(display=False) as counter,
    ):
        execution(window)
    module.train(training)
    return Flops(total=counter.get_total_flops(), layers=found)


@contextmanager
def _listening(module: nn.Module, found: dict[str, int]) -> Iterator[None]:
    handles = []
    for name, layer in module.named_modules():
        if isinstance(layer, LAYERS):

            def add(each: nn.Module, _inputs: Any, output: Tensor, *, name: str = name) -> None:
                weight = each.weight
                assert isinstance(weight, Tensor)
                # A weight is used once for every place of every output channel.
                places = output.numel() // weight.shape[0]
                found[name] = found.get(name, 0) + 2 * places * math.prod(weight.shape)

            handles.append(layer.register_forward_hook(add))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
