"""Parts of a network that can only be removed together: channels, heads, feed-forward units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A layer that reads units.

    Attributes:
        layer: linear or convolution.
        inputs: int64 ``[units, k]``, its inputs that belong to each unit.
    """

    layer: nn.Module
    inputs: Tensor

    @property
    def weight(self) -> nn.Parameter:
        weight = self.layer.weight
        assert isinstance(weight, nn.Parameter)
        return weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How a layer's cost depends on units.

    Attributes:
        layer: its name in the network.
        side: of the layer.
        share: the part of that side that one unit is.
    """

    layer: str
    side: Literal["inputs", "outputs"]
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Units of one place, any of which may be removed.

    Attributes:
        name: of the layer that makes them.
        units: how many there are.
        step: how many are removed at once, so that a multiple of it stays.
        least: how many stay, at least.
        readers: who reads them.
        sides: whose cost depends on them.
        extra: operations that each unit costs beside those layers.
        remove: takes units away, given their numbers.
    """

    name: str
    units: int
    step: int
    least: int
    readers: tuple[Reader, ...]
    sides: tuple[Side, ...]
    remove: Callable[[Sequence[int]], None]
    extra: float = 0.0

    def gates(self) -> Tensor:
        """What the loss would change by if each unit grew, from the readers' gradients.

        With a factor on a unit's output, that factor's gradient: weight times gradient, summed
        over all that is read of the unit. float32 ``[units]``.
        """
        total = torch.zeros(self.units)
        for reader in self.readers:
            weight = reader.weight
            if weight.grad is None:
                continue
            product = (weight.detach() * weight.grad).transpose(0, 1).flatten(1).sum(1)
            total += product[reader.inputs].sum(1)
        return total

    @torch.no_grad()
    def silence(self, units: Sequence[int]) -> None:
        """Makes the readers ignore units, as if they were removed."""
        for reader in self.readers:
            reader.weight.data[:, reader.inputs[list(units)].reshape(-1)] = 0.0


def step_of(units: int, multiple: int) -> int:
    """How many of so many units are removed at once: ``multiple``, or less where that is much."""
    step = 1
    while step * 2 <= multiple and step * 8 <= units and units % (step * 2) == 0:
        step *= 2
    return step
