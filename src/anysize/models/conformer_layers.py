"""Blocks of a conformer (Gulati et al. 2020, arXiv:2005.08100) that do not see the padding.

Two things differ from the paper. Convolutions over time are normalised over the channels of each
step, not over the batch, so that a window gives the same alone as among others. Positions are
rotations of queries and keys (Su et al. 2021, arXiv:2104.09864), and attention may be limited to a
band of steps: what a step gives then depends on a known number of steps around it, wherever the
window begins.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_EXPANSION = 4


class Band:
    """What the steps of a batch may attend to, and the rotations of their positions.

    Made once for all blocks of a forward pass.

    Args:
        mask: ``[n, steps]``, 1 at steps, 0 at the padding behind them.
        reach: steps to either side that a step attends to; 0 is all.
        width: of a head; even.
    """

    def __init__(self, mask: Tensor, reach: int, width: int) -> None:
        places = torch.arange(mask.shape[1], device=mask.device)
        hidden = ~mask.bool()[:, None, None, :]
        if reach:
            far = (places[:, None] - places[None, :]).abs() > reach
            # A step always attends to itself: one of the padding would else have nothing.
            other = places[:, None] != places[None, :]
            hidden = (hidden | far) & other
        self.hidden = hidden
        exponents = torch.arange(0, width, 2, device=mask.device, dtype=torch.float32) / width
        angles = places.to(torch.float32)[:, None] * torch.pow(10000.0, -exponents)[None, :]
        self.cosines, self.sines = angles.cos(), angles.sin()

    def turned(self, states: Tensor) -> Tensor:
        """Queries or keys ``[n, heads, steps, width]``, rotated by their places."""
        first, second = states.float().chunk(2, dim=-1)
        turned = torch.cat(
            [
                first * self.cosines - second * self.sines,
                second * self.cosines + first * self.sines,
            ],
            dim=-1,
        )
        return turned.to(states.dtype)


class Attention(nn.Module):
    """Attention of several heads with rotated positions."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, band: Band) -> Tensor:
        """What is added to the states ``[n, steps, width]``."""
        rows, steps, _ = states.shape
        parts = self.projections(self.norm(states)).view(rows, steps, 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        # As plain products: torch's own kernel is slower backward where there is a mask.
        scale = queries.shape[-1] ** -0.5
        scores = (band.turned(queries) * scale) @ band.turned(keys).transpose(-1, -2)
        weights = scores.float().masked_fill(band.hidden, torch.finfo(torch.float32).min)
        found = weights.softmax(-1).to(values.dtype) @ values
        return cast(Tensor, self.dropout(self.output(found.transpose(1, 2).flatten(2))))


class FeedForward(nn.Module):
    """Two linear layers around a gate by itself (SiLU)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, _EXPANSION * width)
        self.output = nn.Linear(_EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """What is added to the states ``[n, steps, width]``."""
        inner = functional.silu(self.inner(self.norm(states)))
        return cast(Tensor, self.dropout(self.output(inner)))


class Convolution(nn.Module):
    """A gated convolution over time, each channel by itself."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.inner_norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """What is added to the states ``[n, steps, width]``; ``mask`` ``[n, steps, 1]``."""
        gated = functional.glu(self.gate(self.norm(states)), dim=-1)
        # What is seen behind the end is 0, as without padding. Channels are turned to their place
        # before: NNCF takes the ranges of a product, by its second axis, and not of what it turns.
        masked = gated.transpose(1, 2) * mask.transpose(1, 2)
        along = self.depthwise(masked).transpose(1, 2)
        return cast(Tensor, self.dropout(self.output(functional.silu(self.inner_norm(along)))))


class Block(nn.Module):
    """Half a feed-forward layer, attention, convolution, the other half, and a norm."""

    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.before = FeedForward(width, dropout)
        self.attention = Attention(width, heads, dropout)
        self.convolution = Convolution(width, kernel, dropout)
        self.after = FeedForward(width, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor, band: Band) -> Tensor:
        """States ``[n, steps, width]`` to states; ``mask`` ``[n, steps, 1]``."""
        states = states + 0.5 * self.before(states)
        states = states + self.attention(states, band)
        states = states + self.convolution(states, mask)
        states = states + 0.5 * self.after(states)
        return cast(Tensor, self.norm(states))
