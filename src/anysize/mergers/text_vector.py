"""The vector of a text, from the states of its windows as they come.

With ``tokens`` it is that of all tokens, each taken from the window that owns it, the special ones
at the very beginning and end included: of a text of one window it is what the model gives. Where a
model's rule cannot be taken over windows (its first token alone), or where it is asked for
(``windows``), it is the mean of the windows' vectors, each counted by its core.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.pooling import OVER_TOKENS, TokenPool, direction


class TextVector:
    """Adds up windows in any order.

    Args:
        pooling: ``tokens`` or ``windows``.
        rule: the model's, one of ``core.pooling.POOLINGS``.
        unit_length: whether the model gives vectors of length one.

    Attributes:
        windows: how many were added.
        by: ``tokens`` or ``windows``, by which of them it is made.
    """

    def __init__(self, pooling: str, rule: str, *, unit_length: bool) -> None:
        self.by = "tokens" if pooling == "tokens" and rule in OVER_TOKENS else "windows"
        self.windows = 0
        self._unit_length = unit_length
        self._tokens = TokenPool(rule) if self.by == "tokens" else None
        self._sum: Any = 0.0
        self._weight = 0

    def add(
        self,
        states: NDArray[Any],
        own: NDArray[np.bool_],
        vector: NDArray[np.float64],
        weight: int,
    ) -> None:
        """Counts a window.

        Args:
            states: ``[length, width]``.
            own: ``[length]``, which of its tokens count for the text.
            vector: of the window alone.
            weight: the size of its core.
        """
        self.windows += 1
        if self._tokens is not None:
            self._tokens.add(states[own])
            return
        weight = max(weight, 1)
        self._sum = self._sum + weight * (direction(vector) if self._unit_length else vector)
        self._weight += weight

    def vector(self) -> NDArray[np.float64]:
        """The vector, of length one where the model gives such."""
        found = self._tokens.vector() if self._tokens is not None else self._sum / self._weight
        return direction(found) if self._unit_length else found
