"""Token sequences through a language model: how likely each token is after those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.examples import Example
from anysize.modalities.texts.execution import padded_layout
from anysize.modalities.texts.padding import PaddedInputs, token_lengths
from anysize.models.execution import Tensors
from anysize.models.layout import Layout
from anysize.models.network import Network
from anysize.models.packed_causal import PackedDecoder, supports_packed_causal
from anysize.models.token_losses import BeforeHead, token_losses

LOSSES = "losses"
"""Output of a network: of each token of a window the loss of the one that ``labels`` wants next."""


class CausalText:
    """Gives ``losses``, float32 ``[tokens]``, of examples with ``input_ids`` and ``labels``.

    Sequences lie side by side without padding where the model is of a known family, on a
    processor; else they are padded behind, where no token looks. Either way each sees itself alone.
    The head computes in float32 unless gradients are wanted: a probability in bfloat16 has two
    digits.

    Args:
        network: a language model.
        device: where it is.
        packed: side by side without padding; None where that is possible.
    """

    side = 1.0

    def __init__(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> None:
        module: Any = network.module
        possible = device.type == "cpu" and supports_packed_causal(module)
        self.packed = possible if packed is None else possible and packed
        self._module, self._device = module, device
        self._inputs = PaddedInputs(network)
        self._vocabulary = int(module.config.vocab_size)
        self._decoder = PackedDecoder(module) if self.packed else None
        # The states before the head are at hand in these; others give their logits whole.
        self._split = possible or getattr(module, "states_and_head", False)
        self._heard: list[BeforeHead] | None = None

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        labels = np.concatenate([example.arrays["labels"] for example in examples])
        wanted = torch.from_numpy(labels.astype(np.int64)).to(self._device)
        before = self.before_head(examples)
        if self._heard is not None:
            self._heard.append(before)
        return {LOSSES: token_losses(before.states, wanted, before.head, self._vocabulary)}

    def before_head(self, examples: Sequence[Example]) -> BeforeHead:
        """What the head reads, and the head, which has not run."""
        return BeforeHead(self.states(examples), self.head)

    @contextmanager
    def listening(self) -> Iterator[list[BeforeHead]]:
        """What the head is given in each call while the block runs."""
        heard: list[BeforeHead] = []
        self._heard = heard
        try:
            yield heard
        finally:
            self._heard = None

    def layout(self, examples: Sequence[Example]) -> Layout:
        """Where the tokens of the last call's windows lie; see ``models.layout``."""
        if self._decoder is None or self._decoder.row is None:
            return padded_layout(examples)
        places = self._decoder.row.places()
        lengths = torch.from_numpy(token_lengths(examples))
        owners = torch.arange(len(examples)).repeat_interleave(lengths)
        return Layout(
            len(examples), index=places, owners=owners, first=places[lengths.cumsum(0) - lengths]
        )

    def states(self, examples: Sequence[Example]) -> Tensor:
        """Of all tokens, without padding: what the head reads, or its logits."""
        if self._decoder is not None:
            return self._decoder([example.arrays["input_ids"] for example in examples])
        arrays = self._inputs(examples, int(token_lengths(examples).max()))
        mask = torch.from_numpy(arrays["attention_mask"]).to(self._device)
        ids = torch.from_numpy(arrays["input_ids"]).to(self._device)
        module = self._module.base_model if self._split else self._module
        found = module(input_ids=ids, attention_mask=mask, use_cache=False)
        states: Tensor = found.last_hidden_state if self._split else found.logits
        return states[mask.bool()]

    def head(self, states: Tensor) -> Tensor:
        """The logits of states, ``[n, vocabulary]``."""
        if not self._split:
            return states
        head = self._module.get_output_embeddings()
        if torch.is_grad_enabled():
            logits: Tensor = head(states)
            return logits
        with torch.autocast(self._device.type, enabled=False):
            exact: Tensor = head(states.float())
            return exact
