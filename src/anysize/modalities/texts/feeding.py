"""Tokens for a graph: padded together, to few different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.modalities.texts.padding import PaddedInputs, token_lengths
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network

# Not every length is a shape to be compiled: beyond this many tokens they are rounded up, to steps
# that grow with them, so that a sixteenth of the tokens is added at most, and two in a hundred.
_EXACT = 32


def padded_length(length: int) -> int:
    """The next length that rows of tokens are filled up to."""
    step = 1
    while step * _EXACT < length:
        step *= 2
    return -(-length // step) * step


class TokenFeeding:
    """``input_ids``, ``attention_mask`` and what is beside them, int64 ``[n, length]``.

    Args:
        network: its settings and configuration are read.
    """

    def __init__(self, network: Network) -> None:
        self._window = network.reads(TextSettings).window
        self._padded = PaddedInputs(network)

    def __call__(self, examples: Sequence[Example]) -> list[NDArray[Any]]:
        longest = int(token_lengths(examples).max())
        padded = max(min(padded_length(longest), self._window), longest)
        return list(self._padded(examples, padded).values())
