"""Tokens for a graph: padded together, to few different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.modalities.parts import padded_length
from anysize.modalities.texts.padding import PaddedInputs, token_lengths
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network


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
