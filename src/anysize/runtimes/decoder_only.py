"""A batch of prompts under generation with a decoder, in torch.

See ``runtimes.decoding`` for the cache, and ``runtimes.forgetting`` for what a bounded one lets go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.core.generation import SINKS
from anysize.runtimes.decoding import Growing
from anysize.runtimes.forgetting import Turning, kept_columns

PART = 512
"""Tokens of a prompt that are read at a time."""


class Causal(Growing):
    """Rows of a decoder: the prompt and what is generated are one sequence.

    Prompts are read in parts, so that what is computed of them at once has a bound, too.

    Args:
        module: the decoder.
        device: where it is.
        bfloat16: whether it computes in bfloat16.
        bound: tokens that the cache holds of a row, at most; see ``runtimes.forgetting``. None for
            all of them.

    Attributes:
        unread: tokens of each prompt that were never read: where keys cannot be moved, those that
            would be let go are left out.
    """

    def __init__(
        self, module: nn.Module, device: torch.device, *, bfloat16: bool, bound: int | None = None
    ) -> None:
        super().__init__(module, device, bfloat16=bfloat16)
        self._bound = bound
        self._turning = None if bound is None else Turning.of(module)
        self._mask = torch.zeros(0, 0, dtype=torch.long)
        self._next = torch.zeros(0, 1, dtype=torch.long)  # positions
        self._lost = torch.zeros(0, 1, dtype=torch.long)
        # Where keys cannot be moved, what stays is read again.
        self._texts: list[NDArray[np.int64]] = []
        self.unread: list[int] = []

    @property
    def lost(self) -> list[int]:
        """Tokens of each row that the model does not see any more."""
        found: list[int] = self._lost[:, 0].tolist()
        return found

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """See `Cached`."""
        prompts = [np.asarray(each["input_ids"], np.int64) for each in arrays]
        whole = [len(each) for each in prompts]
        if self._bound is not None and self._turning is None:
            most = self._bound - 1
            prompts = [_ends(each, most // 2) if len(each) > most else each for each in prompts]
            self._texts = prompts
        lost = [size - len(each) for size, each in zip(whole, prompts, strict=True)]
        self.unread = lost
        self._lost = torch.tensor(lost, device=self._device)[:, None]
        self._prefill(prompts)

    def begin_empty(self) -> None:
        """See `Cached`."""
        self.begin([{"input_ids": np.array([self._first])}])

    def advance(self, tokens: Tensor) -> Tensor:
        """See `Cached`."""
        if self._bound is not None:
            if self.length >= self._bound:
                self._forget(max(self._bound // 8, 1))
            if self._turning is None:
                new = tokens.cpu().numpy()
                self._texts = [
                    np.append(text, one) for text, one in zip(self._texts, new, strict=True)
                ]
        return self._read(tokens[:, None], torch.ones_like(tokens[:, None]))

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`."""
        chosen = torch.tensor(rows, device=self._device)
        self._mask, self._next = self._mask[chosen], self._next[chosen]
        self._lost = self._lost[chosen]
        self.unread = [self.unread[row] for row in rows]
        if self._texts:
            self._texts = [self._texts[row] for row in rows]
        with torch.inference_mode():
            self._cache.batch_select_indices(chosen)

    def stretch(self, tokens: int) -> None:
        """See `Cached`; never beyond the bound."""
        if self._bound is not None:
            tokens = min(tokens, self._bound - self.length)
        super().stretch(tokens)

    def _stretched(self, tokens: int) -> None:
        more = self._mask.new_ones(len(self._mask), tokens)
        self._mask = torch.cat([self._mask, more], 1)
        self._next = self._next + tokens

    def _prefill(self, prompts: Sequence[NDArray[np.int64]]) -> None:
        ids, mask = self._padded(prompts, before=True)
        self._mask = mask[:, :0]
        self._next = torch.zeros(len(ids), 1, dtype=torch.long, device=self._device)
        # Half of a bounded memory keeps what was read before.
        step = PART if self._bound is None else min(PART, (self._bound - SINKS) // 2)
        for start in range(0, ids.shape[1], step):
            part = slice(start, min(start + step, ids.shape[1]))
            width = part.stop - part.start
            if self._bound is not None and self.length + width > self._bound:
                self._forget(self.length + width - self._bound)
            self.logits = self._read(ids[:, part], mask[:, part])

    def _forget(self, number: int) -> None:
        """Lets so many columns of the cache go, or more."""
        if self._turning is None:
            assert self._bound is not None
            most = max(self._bound // 2, 1)
            before = [len(text) for text in self._texts]
            self._texts = [_ends(text, most) for text in self._texts]
            gone = [old - len(text) for old, text in zip(before, self._texts, strict=True)]
            self._lost = self._lost + torch.tensor(gone, device=self._device)[:, None]
            self._renew()
            self._prefill(self._texts)
            return
        columns, lost = kept_columns(self._mask, number)
        self._mask = self._mask.gather(1, columns)
        self._next, self._lost = self._next - lost, self._lost + lost
        place = torch.arange(columns.shape[1], device=self._device)
        moved = torch.where((lost > 0) & (place >= SINKS), lost, 0)
        with torch.inference_mode():
            for layer in self._layers():
                chosen = columns[:, None, :, None]
                keys, values = (
                    each.gather(2, chosen.expand(-1, each.shape[1], -1, each.shape[3]))
                    for each in (layer.keys, layer.values)
                )
                layer.keys, layer.values = self._turning.back(keys, moved), values

    def _read(self, ids: Tensor, mask: Tensor) -> Tensor:
        self._mask = torch.cat([self._mask, mask], 1)
        positions = (self._next + mask.cumsum(1) - 1).clamp(min=0)
        self._next = self._next + mask.sum(1, keepdim=True)
        more = {"position_ids": positions} if "position_ids" in self._takes else {}
        return self._logits(input_ids=ids, attention_mask=self._mask, **more)


def _ends(tokens: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The first few tokens and the last, so many together; all of a short text."""
    if len(tokens) <= most:
        return tokens
    sinks = min(SINKS, most // 2)
    return np.concatenate([tokens[:sinks], tokens[len(tokens) - (most - sinks) :]])
