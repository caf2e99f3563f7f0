"""What makes probabilities of a network's outputs, in the outputs' own precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Shares of the classes, over the last axis; the largest logit is subtracted first."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: NDArray[Any] = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Probability of each on its own."""
    # Far below zero the exponential overflows to infinity and the result to 0, as it should.
    with np.errstate(over="ignore"):
        found: NDArray[Any] = 1 / (1 + np.exp(-logits))
    return found
