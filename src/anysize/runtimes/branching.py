"""What a language model knows of texts that branch: each has a state, many are read at once.

A state is never changed: reading on from it gives another one, so that texts with one beginning
share what is known of it. The states of a recurrent model are its own; those of a decoder are keys
and values of its layers.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Rows = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows after a text.

    Attributes:
        memory: of the model; keys and values, or hidden states.
        read: the tokens that it is of.
        following: natural logarithms of the probabilities of the next token, float32
            ``[vocabulary]``.
    """

    memory: Any
    read: tuple[int, ...]
    following: NDArray[np.float32]


class Branching(ABC):
    """Reads texts on, many at once, on the processor in float32.

    Args:
        module: a causal language model.
        longest: tokens of a text that the model has places for; None is any number.

    Attributes:
        forgot: how many times a text was longer, and only its last half was kept.
    """

    def __init__(self, module: nn.Module, longest: int | None) -> None:
        self._module: Any = module.eval()
        self._longest = longest
        self.forgot = 0

    def read(
        self, before: Sequence[Known | None], tokens: Rows
    ) -> list[tuple[Known, NDArray[np.float64]]]:
        """Each text with more tokens, and natural logarithms of the probabilities of these.

        Args:
            before: of each text; None is one without tokens, of whose first there is no
                probability: it counts as 0.
            tokens: at least one for each text.
        """
        given, whole = list(before), [list(each) for each in tokens]
        for place, (known, more) in enumerate(zip(given, whole, strict=True)):
            size = 0 if known is None else len(known.read)
            if self._longest is not None and size + len(more) > self._longest:
                assert known is not None
                kept = list(known.read[-max(self._longest // 2 - len(more), 1) :])
                ((again, _),) = self._all([None], [kept])
                given[place] = again
                self.forgot += 1
        return self._all(given, whole)

    def _all(
        self, before: Sequence[Known | None], tokens: Rows
    ) -> list[tuple[Known, NDArray[np.float64]]]:
        with torch.inference_mode():
            logits, memories = self._run([each and each.memory for each in before], tokens)
            found = logits.float().log_softmax(-1).numpy()
        rows = []
        for known, more, logs, memory in zip(before, tokens, found, memories, strict=True):
            first = 0.0 if known is None else float(known.following[more[0]])
            inner = logs[np.arange(len(more) - 1), list(more[1:])]
            after = Known(
                memory,
                (*(() if known is None else known.read), *more),
                np.array(logs[len(more) - 1]),
            )
            rows.append((after, np.array([first, *inner], np.float64)))
        return rows

    @abstractmethod
    def _run(self, memories: Sequence[Any], tokens: Rows) -> tuple[Tensor, list[Any]]:
        """Logits ``[texts, longest, vocabulary]`` after each token, and what is known then."""


class Recurrent(Branching):
    """Of models with a state of one size (``models.lstm_lm``)."""

    def _run(self, memories: Sequence[Any], tokens: Rows) -> tuple[Tensor, list[Any]]:
        ids, lengths = _padded(tokens)
        layers, width = len(self._module.body.layers), self._module.config.hidden_size
        nothing = torch.zeros(2, layers, width)
        given = torch.stack([nothing if each is None else each for each in memories], 2)
        state = tuple((given[0, at][None], given[1, at][None]) for at in range(layers))
        hidden, after = self._module.body.read(ids, lengths, state)
        stacked = torch.stack([torch.stack([pair[kind][0] for pair in after]) for kind in (0, 1)])
        return self._module.head(hidden), [each.clone() for each in stacked.unbind(2)]


class Decoding(Branching):
    """Of decoders of transformers: keys and values, ``[layers, 2, heads, tokens, width]``."""

    def _run(self, memories: Sequence[Any], tokens: Rows) -> tuple[Tensor, list[Any]]:
        from transformers import DynamicCache

        ids, lengths = _padded(tokens)
        sizes = [0 if each is None else each.shape[3] for each in memories]
        most, count = max(sizes), len(sizes)
        cache: Any = DynamicCache(config=self._module.config)
        some = next((each for each in memories if each is not None), None)
        if some is not None:
            layers, kinds, heads, _, width = some.shape
            past = torch.zeros(count, layers, kinds, heads, most, width)
            for row, memory in enumerate(memories):
                if memory is not None:
                    past[row, :, :, :, most - memory.shape[3] :] = memory
            for layer in range(layers):
                cache.update(past[:, layer, 0], past[:, layer, 1], layer)
        # What is known lies before the new tokens without a gap, whatever its length.
        seen = torch.arange(most)[None, :] >= most - torch.tensor(sizes)[:, None]
        new = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
        inputs: dict[str, Any] = {"attention_mask": torch.cat([seen, new], 1).long()}
        if "position_ids" in inspect.signature(self._module.forward).parameters:
            places = torch.tensor(sizes)[:, None] + torch.arange(ids.shape[1])[None, :]
            inputs["position_ids"] = places.clamp(max=(self._longest or 1 << 30) - 1)
        logits = self._module(input_ids=ids, past_key_values=cache, use_cache=True, **inputs).logits
        whole = torch.stack([torch.stack([one.keys, one.values]) for one in cache.layers])
        found = []
        for row, (size, length) in enumerate(zip(sizes, lengths.tolist(), strict=True)):
            found.append(whole[:, :, row, :, most - size : most + length].clone())
        return logits, found


def branching_of(module: nn.Module) -> Branching:
    """What reads texts with a causal language model."""
    if getattr(module, "recurrent", False):
        return Recurrent(module, None)
    config: Any = module.config
    return Decoding(module, getattr(config, "max_position_embeddings", None))


def _padded(tokens: Rows) -> tuple[Tensor, Tensor]:
    """Ids ``[texts, longest]`` with zeros behind, and their numbers."""
    lengths = torch.tensor([len(each) for each in tokens])
    ids = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.long)
    for row, each in enumerate(tokens):
        ids[row, : len(each)] = torch.tensor(list(each))
    return ids, lengths
