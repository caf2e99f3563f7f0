"""A batch under generation with an encoder-decoder whose beams share what they can.

See ``runtimes.paired_weights`` for the layers and ``runtimes.paired_cache`` for keys and values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.models.sequence_ends import start_token
from anysize.runtimes.paired_cache import PairedCache
from anysize.runtimes.paired_weights import PairedWeights


class Paired:
    """Rows of an encoder-decoder; see ``decoding.Cached``.

    Rows of a sentence lie beside each other, and all sentences have as many.

    Args:
        module: whose encoder reads.
        weights: of its decoder.
    """

    logits: Tensor

    def __init__(self, module: nn.Module, weights: PairedWeights) -> None:
        self._module: Any = module
        self._weights = weights
        self._cache = PairedCache(weights.layers, weights.heads, weights.size)
        self._places = torch.zeros(0, dtype=torch.long)  # of each sentence in the cache
        self._moved = False

    @property
    def length(self) -> int:
        """See `Cached`; slots of a sentence."""
        return self._cache.room

    def size(self) -> int:
        """See `Cached`."""
        return self._cache.size()

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """See `Cached`; the beginnings of all rows are of the same length."""
        ids, mask = self._padded([each["input_ids"] for each in arrays])
        start = np.array([start_token(self._module)])
        begun = np.stack([np.asarray(each.get("decoder_input_ids", start)) for each in arrays])
        autocast = torch.autocast("cpu", torch.bfloat16, self._weights.dtype is torch.bfloat16)
        with torch.inference_mode():
            with autocast:
                encoder = self._module.get_encoder()
                encoded = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            self._begin(encoded, mask, torch.from_numpy(begun.astype(np.int64)))

    def begin_empty(self) -> None:
        """See `Cached`."""
        with torch.inference_mode():
            encoded = torch.zeros(1, 1, self._weights.width)
            self._begin(encoded, None, torch.tensor([[start_token(self._module)]]))

    def advance(self, tokens: Tensor) -> Tensor:
        """See `Cached`."""
        with torch.inference_mode():
            return self._read(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`: whole sentences, or each sentence several times."""
        beams = self._cache.beams
        sentences = [row // beams for row in rows]
        kept = list(dict.fromkeys(sentences))
        with torch.inference_mode():
            wanted = self._places[kept].tolist()
            order = self._cache.keep(wanted)
            self._place([order.index(place) for place in wanted])
            if len(rows) > len(kept) * beams:
                self._cache.branch(len(rows) // len(kept))

    def reorder(self, rows: Tensor) -> None:
        """See `Cached`."""
        beams = self._cache.beams
        with torch.inference_mode():
            origins = rows.view(-1, beams) % beams
            if self._moved:
                origins = torch.empty_like(origins).index_copy_(0, self._places, origins)
            self._cache.reorder(origins)

    def stretch(self, tokens: int) -> None:
        """See `Cached`."""
        if tokens > 0:
            with torch.inference_mode():
                self._cache.stretch(tokens)

    def _begin(self, encoded: Tensor, mask: Tensor | None, begun: Tensor) -> None:
        self._cache.begin(self._weights.across(encoded), mask)
        self._place(range(len(encoded)))
        for place in range(begun.shape[1]):
            self.logits = self._read(begun[:, place], last=place == begun.shape[1] - 1)

    def _place(self, places: Sequence[int]) -> None:
        self._places = torch.tensor(places, dtype=torch.long)
        self._moved = list(places) != list(range(len(places)))

    def _read(self, tokens: Tensor, *, last: bool = True) -> Tensor:
        beams = self._cache.beams
        if self._moved:
            lying = torch.empty_like(tokens).view(-1, beams)
            tokens = lying.index_copy_(0, self._places, tokens.view(-1, beams)).flatten()
        position = self._cache.read
        self._cache.step()
        states = self._weights.read(tokens, position, self._cache)
        if not last:
            return states
        if self._moved:
            states = states.view(-1, beams, states.shape[1])[self._places].flatten(0, 1)
        return self._weights.logits(states)

    def _padded(self, every: Sequence[NDArray[Any]]) -> tuple[Tensor, Tensor]:
        padding = int(getattr(self._module.config, "pad_token_id", None) or 0)
        ids = np.full((len(every), max(map(len, every))), padding, np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(every):
            ids[row, : len(each)], mask[row, : len(each)] = each, 1
        return torch.from_numpy(ids), torch.from_numpy(mask)
