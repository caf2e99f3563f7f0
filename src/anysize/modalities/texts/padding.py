"""Windows of tokens as one padded batch of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.models.network import Network


def token_lengths(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Tokens of each window, special ones included; int64 ``[windows]``."""
    lengths = (len(example.arrays["input_ids"]) for example in examples)
    return np.fromiter(lengths, np.int64, len(examples))


class PaddedInputs:
    """Examples of text to the arrays that a module takes, int64 ``[n, length]``, zeros behind.

    Token ids are filled up with the padding token, and the mask is 1 at real tokens.

    Args:
        network: its configuration is read, never its weights.
    """

    def __init__(self, network: Network) -> None:
        self._padding = int(getattr(network.module.config, "pad_token_id", None) or 0)
        self._beside = network.beside

    def __call__(self, examples: Sequence[Example], length: int) -> dict[str, NDArray[np.int64]]:
        """``input_ids``, ``attention_mask`` and the arrays beside them, ``length`` tokens each."""
        real = np.arange(length) < token_lengths(examples)[:, None]
        found = {"input_ids": np.full(real.shape, self._padding, np.int64)}
        found["attention_mask"] = real.astype(np.int64)
        found |= {name: np.zeros(real.shape, np.int64) for name in self._beside}
        for name in ("input_ids", *self._beside):
            found[name][real] = np.concatenate([example.arrays[name] for example in examples])
        return found
