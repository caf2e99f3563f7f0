"""From vectors of tokens to one vector, by the rules of sentence-transformers.

Rules that are sums over tokens (``mean``, ``mean_sqrt_len_tokens``) and ``max`` can be taken over
the tokens of many windows as if they were one; ``cls``, ``lasttoken`` and ``weightedmean`` cannot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
OVER_TOKENS = frozenset(("mean", "max", "mean_sqrt_len_tokens"))
"""Rules under which the windows of a text give one vector of all its tokens."""


def pooled(states: NDArray[Any], rule: str) -> NDArray[np.float64]:
    """One vector ``[width]`` of a window's tokens ``[tokens, width]``, special ones included."""
    values = states.astype(np.float64)
    found: NDArray[np.float64]
    if rule == "cls":
        found = values[0]
    elif rule == "lasttoken":
        found = values[-1]
    elif rule == "max":
        found = values.max(axis=0)
    elif rule == "weightedmean":
        found = np.average(values, axis=0, weights=np.arange(1, len(values) + 1))
    else:
        found = values.sum(axis=0)
        found /= len(values) ** 0.5 if rule == "mean_sqrt_len_tokens" else len(values)
    return found


class TokenPool:
    """One vector of tokens that come in several parts, in any order.

    Args:
        rule: one of `OVER_TOKENS`.
    """

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._value: NDArray[np.float64] | None = None
        self._count = 0

    def add(self, states: NDArray[Any]) -> None:
        """Tokens ``[tokens, width]``."""
        if not len(states):
            return
        self._count += len(states)
        if self._rule == "max":
            found = states.max(axis=0).astype(np.float64)
            self._value = found if self._value is None else np.maximum(self._value, found)
        else:
            found = states.sum(axis=0, dtype=np.float64)
            self._value = found if self._value is None else self._value + found

    def vector(self) -> NDArray[np.float64]:
        """The vector, ``[width]``.

        Raises:
            ValueError: there are no tokens.
        """
        if self._value is None:
            raise ValueError("there are no tokens to pool")
        if self._rule == "max":
            return self._value
        count = self._count
        return self._value / (count**0.5 if self._rule == "mean_sqrt_len_tokens" else count)


def direction(vector: NDArray[Any]) -> NDArray[np.float64]:
    """The vector at length one; a vector of zeros stays as it is."""
    values = vector.astype(np.float64)
    length = float(np.sqrt(values @ values))
    return values / length if length else values
