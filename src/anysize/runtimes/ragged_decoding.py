"""A batch of prompts under generation with a decoder, without padding, on a processor.

Prompts lie side by side and are read in parts; rows that grow are of different lengths. See
``runtimes.decoder_weights`` for the layers and ``runtimes.ragged_cache`` for keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.core.generation import SINKS
from anysize.runtimes.decoder_weights import DecoderWeights
from anysize.runtimes.forgetting import Turning
from anysize.runtimes.ragged_attention import Span
from anysize.runtimes.ragged_cache import RaggedCache

PART = 512
"""Tokens of prompts that are read at a time."""
# Rows are filled up to multiples of this: for each number of them oneDNN compiles kernels.
_FILLED = 64


class _Piece(NamedTuple):
    """Some tokens of one prompt: they are the tokens ``start`` and following of their row."""

    row: int
    tokens: NDArray[np.int64]
    last: bool


class Ragged:
    """Rows of a decoder; see ``decoding.Cached``.

    Args:
        weights: of the decoder.
        turning: moves keys; needed where there is a bound.
        bound: tokens that the cache holds of a row, at most; see ``runtimes.forgetting``. None for
            all of them.
        first: the token that a text begins with, to measure with.

    Attributes:
        lost: tokens of each row that the model does not see any more.
        unread: none: every token is read.
    """

    logits: Tensor

    def __init__(
        self, weights: DecoderWeights, turning: Turning | None, bound: int | None, first: int
    ) -> None:
        self._weights, self._turning, self._bound = weights, turning, bound
        self._first = first
        self._cache = RaggedCache(
            weights.layers, weights.key_heads, weights.size, weights.dtype, bound
        )
        self._lost: list[int] = []  # of each place of the cache
        self._rows: list[int] = []  # the place of each row
        self.unread: list[int] = []

    @property
    def lost(self) -> list[int]:
        """Tokens of each row that the model does not see any more."""
        return [self._lost[place] for place in self._rows]

    @property
    def length(self) -> int:
        """Tokens of each row that memory is taken for."""
        return self._cache.room

    def size(self) -> int:
        """Bytes of keys and values."""
        return self._cache.size()

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """See `Cached`."""
        prompts = [np.asarray(each["input_ids"], np.int64) for each in arrays]
        # Rows of similar length lie beside each other.
        order = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
        self._rows = np.argsort(order).tolist()
        self._lost, self.unread = [0] * len(prompts), [0] * len(prompts)
        lengths = [min(len(prompts[row]), self._bound or len(prompts[row])) for row in order]
        self._cache.begin(lengths, exact=max(lengths) == 1)
        with torch.inference_mode():
            states = self._prefill([prompts[row] for row in order])
            self.logits = self._weights.logits(states[self._rows])

    def begin_empty(self) -> None:
        """See `Cached`."""
        self.begin([{"input_ids": np.array([self._first])}])

    def advance(self, tokens: Tensor) -> Tensor:
        """See `Cached`."""
        cache, bound = self._cache, self._bound
        if bound is not None:
            for place, length in enumerate(cache.lengths):
                if length >= bound:
                    self._forget(place, max(bound // 8, 1))
        with torch.inference_mode():
            positions = torch.tensor(cache.lengths)
            cache.step()
            rows = torch.tensor(self._rows)
            ids = torch.empty_like(tokens)
            ids[rows] = tokens
            states = self._weights.read(ids, positions, cache.attend_each)
            return self._weights.logits(states[rows])

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`."""
        places = [self._rows[row] for row in rows]
        with torch.inference_mode():
            self._rows = self._cache.keep(places)
        lost = dict(zip(self._rows, (self._lost[place] for place in places), strict=True))
        self._lost = [lost[place] for place in range(len(lost))]
        self.unread = [self.unread[row] for row in rows]

    def reorder(self, rows: Tensor) -> None:
        """See `Cached`."""
        places = [self._rows[row] for row in rows.tolist()]
        # What lies at a place is what its row shall be now.
        chosen = [0] * len(places)
        for row, place in enumerate(places):
            chosen[self._rows[row]] = place
        with torch.inference_mode():
            self._cache.select(torch.tensor(chosen))
        self._lost = [self._lost[place] for place in chosen]

    def stretch(self, tokens: int) -> None:
        """See `Cached`; never beyond the bound."""
        if self._bound is not None:
            tokens = min(tokens, self._bound - max(self._cache.lengths))
        if tokens > 0:
            with torch.inference_mode():
                self._cache.stretch(tokens)

    def _forget(self, place: int, number: int) -> None:
        assert self._turning is not None
        with torch.inference_mode():
            self._cache.forget(place, number, self._turning)
        self._lost[place] += number

    def _prefill(self, prompts: Sequence[NDArray[np.int64]]) -> Tensor:
        """Reads prompts; gives the state of the last token of each, ``[rows, width]``."""
        states: list[Tensor | None] = [None] * len(prompts)
        for pieces in self._parts(prompts):
            starts = [self._room_for(each) for each in pieces]
            found = self._read(pieces, starts)
            end = 0
            for piece in pieces:
                end += len(piece.tokens)
                if piece.last:
                    states[piece.row] = found[end - 1].clone()
        return torch.stack([each for each in states if each is not None])

    def _parts(self, prompts: Sequence[NDArray[np.int64]]) -> Iterator[list[_Piece]]:
        """Pieces of prompts that are read together, at most one of each prompt."""
        # Half of a bounded memory keeps what was read before.
        most = PART if self._bound is None else min(PART, (self._bound - SINKS) // 2)
        part: list[_Piece] = []
        free = PART
        for row, prompt in enumerate(prompts):
            start = 0
            while start < len(prompt):
                stop = min(start + most, start + free, len(prompt))
                part.append(_Piece(row, prompt[start:stop], stop == len(prompt)))
                free -= stop - start
                if free < 1 or stop < len(prompt):
                    yield part
                    part, free = [], PART
                start = stop
        if part:
            yield part

    def _room_for(self, piece: _Piece) -> int:
        """The place of a piece in its row; what a bound has no room for is let go."""
        start = self._cache.lengths[piece.row]
        over = 0 if self._bound is None else start + len(piece.tokens) - self._bound
        if over > 0:
            self._forget(piece.row, over)
            start -= over
        self._cache.lengths[piece.row] += len(piece.tokens)
        return start

    def _read(self, pieces: Sequence[_Piece], starts: Sequence[int]) -> Tensor:
        count = sum(len(each.tokens) for each in pieces)
        filled = -(-count // _FILLED) * _FILLED if count > 1 else 1
        ids = np.zeros(filled, np.int64)
        positions = np.zeros(filled, np.int64)
        placed: list[tuple[int, int, int, int, list[Span]]] = []
        end = 0
        for piece, start in zip(pieces, starts, strict=True):
            begin, end = end, end + len(piece.tokens)
            ids[begin:end] = piece.tokens
            positions[begin:end] = np.arange(start, start + end - begin)
            spans = self._cache.spans(start, end - begin)
            placed.append((piece.row, start, begin, end, spans))
        cache = self._cache

        def attend(number: int, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            found = query.new_zeros(filled, query.shape[1] * query.shape[2])
            for row, start, begin, end, spans in placed:
                cache.write(number, row, start, keys[begin:end], values[begin:end])
                cache.attend(number, row, query[begin:end], spans, found[begin:end])
            return found

        return self._weights.read(torch.from_numpy(ids), torch.from_numpy(positions), attend)
