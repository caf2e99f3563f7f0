"""Keys and values of rows of different lengths, without padding before them.

Each layer has one tensor ``[rows, 2, key_heads, tokens, size]``; a row's tokens lie from its
beginning on. The tensors grow by blocks, a layer at a time. A row that leaves gives its place to
the last one, so that only one row is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from anysize.core.generation import SINKS
from anysize.runtimes.forgetting import Turning

_BLOCK = 64
# Tokens of padding that cost as much as another call of the attention, about.
_CALL = 512


class RaggedCache:
    """The cache of a batch.

    Args:
        layers: of the decoder.
        heads: of its keys.
        size: of a head.
        dtype: of what is kept.
        most: tokens of a row that memory is taken for, at most; None for any number.

    Attributes:
        lengths: tokens that are kept of each row.
    """

    def __init__(
        self, layers: int, heads: int, size: int, dtype: torch.dtype, most: int | None
    ) -> None:
        self.lengths: list[int] = []
        self._most = most
        self._heads, self._size = heads, size
        self._room = 0
        self._layers = [torch.empty(0, 2, heads, 0, size, dtype=dtype) for _ in range(layers)]
        self._groups: list[_Group] = []
        self._places = torch.zeros(0, dtype=torch.long)

    def begin(self, rows: int) -> None:
        """Empty rows."""
        self.lengths = [0] * rows

    @property
    def room(self) -> int:
        """Tokens of each row that memory is taken for."""
        return self._room

    def size(self) -> int:
        """Bytes."""
        return sum(each.numel() * each.element_size() for each in self._layers)

    def reserve(self, tokens: int, *, exact: bool = False) -> None:
        """Takes memory for rows of so many tokens.

        Args:
            tokens: of the longest row.
            exact: no more than that.
        """
        rows = len(self.lengths)
        if tokens <= self._room and len(self._layers[0]) >= rows:
            return
        room = tokens if exact else -(-tokens // _BLOCK) * _BLOCK
        room = max(min(room, self._most or room), self._room)
        for number, old in enumerate(self._layers):
            new = old.new_zeros(rows, 2, self._heads, room, self._size)
            for row, length in enumerate(self.lengths[: len(old)]):
                new[row, :, :, :length] = old[row, :, :, :length]
            self._layers[number] = new
        self._room = room

    def stretch(self, tokens: int) -> None:
        """Grows each row by so many tokens of zeros, to measure with."""
        self.reserve(max(self.lengths) + tokens)
        for layer in self._layers:
            for row, length in enumerate(self.lengths):
                layer[row, :, :, length : length + tokens] = 0
        self.lengths = [length + tokens for length in self.lengths]

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Lets the other rows go; the last ones take their places.

        Returns:
            For each place that is left the row that lies there now.
        """
        wanted = set(rows)
        order = list(range(len(self.lengths)))
        for place in range(len(rows)):
            if order[place] in wanted:
                continue
            source = next(at for at in reversed(range(len(order))) if order[at] in wanted)
            length, before = self.lengths[source], self.lengths[place]
            for layer in self._layers:
                layer[place, :, :, :length] = layer[source, :, :, :length]
                # What is masked must be numbers, too.
                layer[place, :, :, length:before] = 0
            self.lengths[place], order[place] = length, order[source]
            wanted.discard(order[source])
        self.lengths = self.lengths[: len(rows)]
        return order[: len(rows)]

    def select(self, rows: Tensor) -> None:
        """Makes each row a copy of another; see ``decoding.Cached.reorder``."""
        longest = max(self.lengths)
        for layer in self._layers:
            layer[: len(rows), :, :, :longest] = layer[rows, :, :, :longest]
        self.lengths = [self.lengths[row] for row in rows.tolist()]

    def forget(self, row: int, number: int, turning: Turning) -> None:
        """Lets so many tokens behind the first few go, and moves the others to their places."""
        length = self.lengths[row]
        moved = torch.full((1, length - SINKS - number), number)
        for layer in self._layers:
            kept = layer[row, :, :, SINKS + number : length].clone()
            kept[0] = turning.back(kept[:1], moved)[0]
            layer[row, :, :, SINKS : length - number] = kept
        self.lengths[row] = length - number

    def write(self, number: int, row: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Keeps a part of a row: ``[tokens, heads, size]`` from token ``start`` on."""
        place = self._layers[number][row, :, :, start : start + len(keys)]
        place[0], place[1] = keys.transpose(0, 1), values.transpose(0, 1)

    def mask_of(self, start: int, count: int) -> Tensor | None:
        """What hides later tokens from those of a part; None where the part is the beginning."""
        if not start or count == 1:
            return None
        mask = torch.full((count, start + count), -torch.inf, dtype=self._layers[0].dtype)
        return mask.triu_(start + 1)

    def attend(
        self, number: int, row: int, start: int, query: Tensor, mask: Tensor | None
    ) -> Tensor:
        """What a part of a row sees of the row up to each of its tokens.

        Args:
            number: of the layer.
            row: which.
            start: place of the part's first token; its keys are kept already.
            query: ``[tokens, heads, size]``.
            mask: from `mask_of`.

        Returns:
            ``[tokens, heads * size]``.
        """
        count, heads, size = query.shape
        stop = start + count
        groups = heads // self._heads
        kept = self._layers[number][row, :, :, :stop]
        # Heads that share keys see the same memory.
        keys, values = (each[:, None].expand(-1, groups, -1, -1) for each in kept)
        queries = query.view(count, self._heads, groups, size).permute(1, 2, 0, 3)
        found = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None and count > 1
        )
        return found.permute(2, 0, 1, 3).reshape(count, heads * size)

    def step(self) -> None:
        """Gets ready for one more token of each row."""
        longest = max(self.lengths) + 1
        self.reserve(longest)
        # Of each row the places of its new key and value, head by head.
        heads = torch.arange(2 * self._heads) * self._room
        rows = torch.arange(len(self.lengths)) * (2 * self._heads * self._room)
        self._places = (rows + torch.tensor(self.lengths))[:, None].add(heads).flatten()
        self.lengths = [length + 1 for length in self.lengths]
        self._groups = _groups(self.lengths, self._layers[0].dtype)

    def attend_each(self, number: int, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keeps one token of each row, and gives what it sees, ``[rows, heads * size]``."""
        layer = self._layers[number]
        both = torch.cat([keys, values], 1).view(-1, self._size)
        layer.view(-1, self._size).index_copy_(0, self._places, both)
        rows, heads, size = query.shape
        queries = query.view(rows, self._heads, heads // self._heads, size)
        found = [
            functional.scaled_dot_product_attention(
                queries[each.rows],
                layer[each.rows, 0, :, : each.longest],
                layer[each.rows, 1, :, : each.longest],
                attn_mask=each.mask,
            )
            for each in self._groups
        ]
        joined = found[0] if len(found) == 1 else torch.cat(found)
        return joined.reshape(rows, heads * size)


class _Group:
    """Rows of about the same length, whose attention is one call."""

    def __init__(self, first: int, lengths: Sequence[int], dtype: torch.dtype) -> None:
        self.rows = slice(first, first + len(lengths))
        self.longest = max(lengths)
        self.mask: Tensor | None = None
        if min(lengths) < self.longest:
            place = torch.arange(self.longest)
            beyond = place >= torch.tensor(lengths)[:, None]
            mask = torch.zeros(beyond.shape, dtype=dtype).masked_fill_(beyond, -torch.inf)
            self.mask = mask[:, None, None]


def _groups(lengths: Sequence[int], dtype: torch.dtype) -> list[_Group]:
    """Neighbouring rows together, as long as padding them costs less than another call."""
    found: list[_Group] = []
    begin = 0
    for row in range(1, len(lengths) + 1):
        part = lengths[begin : row + 1]
        if row == len(lengths) or max(part) * len(part) - sum(part) > _CALL:
            found.append(_Group(begin, lengths[begin:row], dtype))
            begin = row
    return found
