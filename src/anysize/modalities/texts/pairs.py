"""Pairs of token sequences through an encoder-decoder: what it gives each token of the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.examples import Example
from anysize.modalities.texts.padding import PaddedInputs, token_lengths
from anysize.models.execution import Tensors
from anysize.models.network import Network
from anysize.models.packed_dropout import QuickDropout
from anysize.models.sequence_ends import start_token

TARGET_LOGITS = "target_logits"
"""Output of a network: the logits of each token that ``labels`` wants, all examples in a row."""


class PairedText:
    """Gives ``target_logits``, ``[target tokens, vocabulary]``, under teacher forcing.

    Examples have ``input_ids`` for the encoder, and ``labels``, the tokens that the decoder is to
    write, the one that ends them included. Its inputs are the labels shifted by one behind the
    token that it begins with, or behind ``decoder_input_ids`` where an example has them. Both sides
    are padded; padding has no row in what is given.

    Args:
        network: an encoder-decoder of transformers.
        device: where it is.
    """

    packed = False
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module: Any = network.module
        self._device = device
        self._inputs = PaddedInputs(network)
        config: Any = network.module.config
        self._padding = int(getattr(config, "pad_token_id", None) or 0)
        self._start = np.array([start_token(network.module)], np.int32)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        arrays = self._inputs(examples, int(token_lengths(examples).max()))
        given = {name: torch.from_numpy(each).to(self._device) for name, each in arrays.items()}
        begun = [example.arrays.get("decoder_input_ids", self._start) for example in examples]
        labels = [example.arrays["labels"] for example in examples]
        written = [
            np.concatenate([begin, label[:-1]]) for begin, label in zip(begun, labels, strict=True)
        ]
        longest = max(map(len, written))
        ids = np.full((len(examples), longest), self._padding, np.int64)
        wanted = np.zeros((len(examples), longest), np.bool_)
        for row, (begin, each) in enumerate(zip(begun, written, strict=True)):
            ids[row, : len(each)] = each
            wanted[row, len(begin) - 1 : len(each)] = True
        chosen = torch.from_numpy(wanted).to(self._device)
        # Padding comes after the tokens, where a causal decoder does not look.
        dropout = nullcontext() if _computes_again(self._module) else QuickDropout()
        with dropout, _rows_of_head(self._module, chosen) as one_row:
            outputs = self._module(
                **given, decoder_input_ids=torch.from_numpy(ids).to(self._device), use_cache=False
            )
        logits: Tensor = outputs.logits
        return {TARGET_LOGITS: logits[0] if one_row else logits[chosen]}


def _computes_again(module: Any) -> bool:
    """Whether layers are run again in the backward pass: they would have torch's own dropout."""
    name = "is_activation_checkpointing"  # transformers calls it gradient_… up to 5.x
    if not hasattr(type(module), name):
        name = "is_gradient_checkpointing"
    return bool(getattr(module, name, False))


@contextmanager
def _rows_of_head(module: Any, wanted: Tensor) -> Iterator[bool]:
    """Within it, the layer that gives the logits reads the wanted states alone, in one row.

    Logits over a large vocabulary can cost more than the network, and half of a batch can be
    padding. Gives whether the network has such a layer.
    """
    head = module.get_output_embeddings()
    if head is None:
        yield False
        return

    def chosen(_layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        states, *others = inputs
        return (states[wanted][None], *others)

    hook = head.register_forward_pre_hook(chosen)
    try:
        yield True
    finally:
        hook.remove()
