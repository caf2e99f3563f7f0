"""Which rows of a layer's states belong to which window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anysize.core.examples import Example
from anysize.models.execution import Execution


@dataclass(frozen=True, slots=True)
class Layout:
    """How a network's states belong to the windows.

    Attributes:
        index: the rows of text in flattened states, in the order of the windows; None takes all.
        owners: the window of each row; for pictures made from the states.
        first: the rows of first tokens, in flattened states.
        short: the same, where there are states at first tokens alone.
    """

    count: int
    index: Tensor | None = None
    owners: Tensor | None = None
    first: Tensor | None = None
    short: Tensor | None = None
    segments: int = 0

    def only_first(self, states: Tensor) -> bool:
        """Whether there are states at the first tokens alone."""
        return self.short is not None and states.ndim == 3 and states.shape[1] == self.segments

    def rows(self, states: Tensor, *, first: bool) -> tuple[Tensor, Tensor]:
        """States ``[rows, width]`` of what is compared, and the window of each."""
        flat = states.reshape(-1, states.shape[-1])
        windows = torch.arange(self.count, device=states.device)
        if states.ndim == 2:
            return states, windows
        if self.index is None or self.owners is None or self.first is None:
            return flat, windows.repeat_interleave(states.shape[1])
        if not first:
            return flat[self.index.to(flat.device)], self.owners.to(flat.device)
        index = self.first
        if self.short is not None and self.only_first(states):
            index = self.short
        return flat[index.to(flat.device)], windows


def layout_of(execution: Execution, examples: Sequence[Example]) -> Layout:
    """How the states of an execution's last call lie.

    Args:
        execution: just run. One that pads its windows, or packs them, has a method
            ``layout(examples) -> Layout``; of others, states are ``[windows, …]``.
        examples: that it ran.
    """
    own = getattr(execution, "layout", None)
    found: Layout = Layout(len(examples)) if own is None else own(examples)
    return found
