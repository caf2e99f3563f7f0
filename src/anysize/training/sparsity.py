"""Pruning while training: the smallest weights become zero and stay zero.

The global pattern raises the part of zeros gradually (Zhu and Gupta 2017, "To prune, or not to
prune", arXiv:1710.01878, equation 1); the 2:4 pattern keeps two of every four weights along the
input axis from the start and trains on (Mishra et al. 2021, arXiv:2104.08378).

There is no state beside the weights: what is pruned is what is zero, so a resumed run goes on with
the masks that it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from math import floor
from typing import Any

import torch
from torch import Tensor, nn

from anysize.models.lora import TRAINED as ADDITIONS

# The part of the run over which weights are pruned, and in how many turns.
_RISING = 0.5
_TURNS = 20
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are pruned: trained ones of linear layers and convolutions, by name.

    Those that are an embedding at the same time are left alone, and so are low-rank additions, half
    of which begin as zeros.
    """
    embeddings = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Embedding)}
    found: dict[str, Any] = {
        f"{name}.weight" if name else "weight": layer.weight
        for name, layer in module.named_modules()
        if isinstance(layer, _LAYERS)
    }
    return {
        name: weight
        for name, weight in found.items()
        if weight.requires_grad
        and id(weight) not in embeddings
        and not fnmatchcase(name, ADDITIONS)
    }


def zeros(weights: Sequence[Tensor]) -> int:
    """How many of the weights are zero."""
    return sum(weight.numel() - int(weight.count_nonzero()) for weight in weights)


@torch.no_grad()
def prune_smallest(weights: Sequence[Tensor], count: int) -> None:
    """Sets the ``count`` weights that are smallest by magnitude, of all together, to zero.

    Weights that are zero already are the first of them. Between equal ones those that come first
    are pruned.

    Args:
        weights: changed in place.
        count: up to all of them.
    """
    if count <= 0:
        return
    magnitudes = torch.cat([weight.detach().abs().reshape(-1) for weight in weights])
    threshold = magnitudes.kthvalue(count).values
    equal = count - int((magnitudes < threshold).sum())
    del magnitudes
    for weight in weights:
        magnitude = weight.detach().abs()
        pruned = magnitude < threshold
        places = (magnitude == threshold).nonzero()[:equal]
        equal -= len(places)
        pruned[tuple(places.T)] = True
        weight.masked_fill_(pruned, 0.0)


def two_of_four(weight: Tensor) -> Tensor | None:
    """Which weights the 2:4 pattern keeps; None where the inputs are no multiple of four.

    Args:
        weight: ``[outputs, inputs, …]``.

    Returns:
        A mask of the same shape, true for the two largest of every four neighbours along the
        inputs.
    """
    if weight.shape[1] % 4:
        return None
    last = weight.detach().abs().movedim(1, -1)
    fours = last.reshape(-1, 4)
    kept = torch.zeros_like(fours, dtype=torch.bool)
    kept.scatter_(1, fours.topk(2, dim=1).indices, True)
    return kept.view(last.shape).movedim(-1, 1)


_PRUNED = 0.25
"""Where so many weights are zero, they were pruned: training and rounding leave hardly any."""


def was_pruned(module: nn.Module) -> bool:
    """Whether a network comes with weights that were pruned."""
    weights = list(prunable(module).values())
    total = sum(weight.numel() for weight in weights)
    return total > 0 and zeros([weight.detach() for weight in weights]) >= _PRUNED * total


class Sparsity:
    """Keeps a module sparse while it is trained.

    Args:
        module: whose weights are pruned; see `prunable`.
        sparsity: the part that is zero in the end, of all prunable weights; 0 keeps those zero
            that are.
        pattern: ``global`` or ``2:4``; see the module's documentation.
    """

    def __init__(self, module: nn.Module, sparsity: float, pattern: str) -> None:
        self._weights = prunable(module)
        self._pattern = pattern
        total = sum(weight.numel() for weight in self._weights.values())
        self._goal = round(sparsity * total) if pattern == "global" else 0
        self._pruned = 0
        self._kept: dict[str, Tensor] = {}

    @property
    def settled(self) -> bool:
        """Whether as many weights are zero as there shall be in the end."""
        return self._pruned >= self._goal

    @torch.no_grad()
    def begin(self) -> None:
        """Takes over what is pruned in the weights as they are now."""
        if self._pattern == "2:4":
            for weight in self._weights.values():
                kept = two_of_four(weight)
                if kept is not None:
                    weight.masked_fill_(~kept, 0.0)
        self._note()

    def after_step(self, progress: float) -> None:
        """Undoes what the optimizer did to pruned weights, and prunes more where it is time.

        Args:
            progress: how much of the run is done, 0 to 1.
        """
        self.mask(self._weights)
        turn = floor(_TURNS * min(progress / _RISING, 1.0)) / _TURNS
        self._raise(round(self._goal * (1 - (1 - turn) ** 3)))

    def finish(self) -> bool:
        """Prunes what is left to prune; returns whether there was any."""
        if self.settled:
            return False
        self._raise(self._goal)
        return True

    @torch.no_grad()
    def mask(self, tensors: Mapping[str, Tensor]) -> None:
        """Sets to zero what is pruned, in tensors of the same names (averaged weights)."""
        for name, kept in self._kept.items():
            tensors[name].masked_fill_(~kept, 0.0)

    def _raise(self, count: int) -> None:
        if count > self._pruned:
            prune_smallest(list(self._weights.values()), count)
            self._note()

    def _note(self) -> None:
        self._kept = {name: weight.detach() != 0 for name, weight in self._weights.items()}
        self._pruned = zeros(list(self._weights.values()))
