"""Layers along a sequence, and what they are told of places in it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolutions(nn.Module):
    """Residual convolutions along a sequence, whose padding counts as zeros.

    Args:
        size: width.
        layers: how many; the reach of each is wider than that of the one before, up to 8.
        dropout: of each.
    """

    def __init__(self, size: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, size, 5, padding=2 << min(at, 2), dilation=1 << min(at, 2))
            for at in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States ``[n, length, size]``; ``mask`` ``[n, length, 1]`` is 0 at the padding."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            inner = convolution((norm(states) * mask).transpose(1, 2)).transpose(1, 2)
            states = states + self.dropout(functional.relu(inner))
        return states * mask


def places(counts: Tensor) -> Tensor:
    """Of each frame how far it is in its phoneme, from both ends, and how long that is."""
    whole = counts.repeat_interleave(counts).float()
    begins = (counts.cumsum(0) - counts).repeat_interleave(counts)
    within = torch.arange(len(whole), device=counts.device) - begins
    place = (within.float() + 0.5) / whole
    return torch.stack([place, 1 - place, whole.log()], dim=1)


def mask_of(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Which places belong to a sequence, 1 or 0, ``[n, longest, 1]``."""
    places = torch.arange(max(lengths), device=device)
    return (places < torch.tensor(lengths, device=device)[:, None]).float().unsqueeze(-1)
