"""Prompts with what a decoder is to write after them: what it gives each token of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.modalities.texts.causal import CausalText
from anysize.modalities.texts.pairs import TARGET_LOGITS
from anysize.models.execution import Tensors
from anysize.models.layout import Layout
from anysize.models.network import Network


class PromptedText:
    """Gives ``target_logits``, ``[target tokens, vocabulary]``, under teacher forcing.

    Examples have ``input_ids``, the prompt, and ``labels``, the tokens that the model is to write
    behind it, the one that ends them included: the same as for an encoder-decoder. The head reads
    the states of the target tokens alone.

    Args:
        network: a language model.
        device: where it is.
        packed: side by side without padding; None where that is possible.
    """

    side = 1.0

    def __init__(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> None:
        self._causal = CausalText(network, device, packed=packed)
        self._device = device
        self.packed = self._causal.packed

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        whole, places = _whole(examples), []
        begin = 0
        for example, read in zip(examples, whole, strict=True):
            stop = begin + len(read.arrays["input_ids"])
            places.append(np.arange(begin + len(example.arrays["input_ids"]) - 1, stop))
            begin = stop
        states = self._causal.states(whole)
        wanted = torch.from_numpy(np.concatenate(places)).to(self._device)
        return {TARGET_LOGITS: self._causal.head(states[wanted])}

    def layout(self, examples: Sequence[Example]) -> Layout:
        """Where the tokens of the last call's windows lie; see ``models.layout``."""
        return self._causal.layout(_whole(examples))


def _whole(examples: Sequence[Example]) -> list[Example]:
    """Prompts with what is written after them; the last token of that is read by nobody."""
    found = []
    for example in examples:
        prompt, labels = example.arrays["input_ids"], example.arrays["labels"]
        ids: NDArray[Any] = np.concatenate([prompt, labels[:-1]])
        found.append(replace(example, arrays={**example.arrays, "input_ids": ids}))
    return found
