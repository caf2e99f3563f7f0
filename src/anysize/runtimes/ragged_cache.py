"""Keys and values of rows of different lengths, without padding before them.

Each layer has one tensor ``[2, rows, key_heads, tokens, size]``; a row's tokens lie from its
beginning on. The tensors grow by blocks, a layer at a time. A row that leaves gives its place to
the last one, so that only one row is copied.

Attention in bfloat16 is two products of matrices with a softmax between them: torch's own kernel,
which is used in float32, took 1.4 times as long on a step of 32 rows (a processor without AMX). Of
a prompt some queries are attended to at a time, which see no keys but those up to the last of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from anysize.core.generation import SINKS
from anysize.runtimes.forgetting import Turning

_BLOCK = 64
# Tokens of padding that cost as much as another call of the attention, about.
_CALL = 512
# Tokens whose keys are moved at a time.
_MOVED = 512
# Queries of a prompt that are attended to at a time, fewer where they see many keys.
_QUERIES = 128
_SCORES = 1 << 18
# Keys that a step sees of each row are filled up to multiples of this, for as few kernels.
_FILLED = 32
# More keys than that many times those of the longest row take longer than a copy without gaps.
_GAPLESS = 1.75


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
        self._layers = [torch.empty(2, 0, heads, 0, size, dtype=dtype) for _ in range(layers)]
        self._groups: list[Group] = []
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
        if tokens <= self._room and self._layers[0].shape[1] >= rows:
            return
        room = tokens if exact else -(-tokens // _BLOCK) * _BLOCK
        room = max(min(room, self._most or room), self._room)
        for number, old in enumerate(self._layers):
            new = old.new_zeros(2, rows, self._heads, room, self._size)
            for row, length in enumerate(self.lengths[: old.shape[1]]):
                new[:, row, :, :length] = old[:, row, :, :length]
            self._layers[number] = new
        self._room = room

    def stretch(self, tokens: int) -> None:
        """Grows each row by so many tokens of zeros, to measure with."""
        self.reserve(max(self.lengths) + tokens)
        for layer in self._layers:
            for row, length in enumerate(self.lengths):
                layer[:, row, :, length : length + tokens] = 0
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
                layer[:, place, :, :length] = layer[:, source, :, :length]
                # What is masked must be numbers, too.
                layer[:, place, :, length:before] = 0
            self.lengths[place], order[place] = length, order[source]
            wanted.discard(order[source])
        self.lengths = self.lengths[: len(rows)]
        return order[: len(rows)]

    def select(self, rows: Tensor) -> None:
        """Makes each row a copy of another; see ``decoding.Cached.reorder``."""
        longest = max(self.lengths)
        for layer in self._layers:
            layer[:, : len(rows), :, :longest] = layer[:, rows, :, :longest]
        self.lengths = [self.lengths[row] for row in rows.tolist()]

    def forget(self, row: int, number: int, turning: Turning) -> None:
        """Lets so many tokens behind the first few go, and moves the others to their places."""
        length = self.lengths[row]
        # A part at a time, from the beginning on: a copy of all of them could be as large as all
        # that the model keeps.
        for start in range(SINKS, length - number, _MOVED):
            stop = min(start + _MOVED, length - number)
            moved = torch.full((1, stop - start), number)
            for layer in self._layers:
                kept = layer[:, row, :, start + number : stop + number].clone()
                kept[0] = turning.back(kept[:1], moved)[0]
                layer[:, row, :, start:stop] = kept
        self.lengths[row] = length - number

    def write(self, number: int, row: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Keeps a part of a row: ``[tokens, heads, size]`` from token ``start`` on."""
        place = self._layers[number][:, row, :, start : start + len(keys)]
        place[0], place[1] = keys.transpose(0, 1), values.transpose(0, 1)

    def spans(self, start: int, count: int) -> list[Span]:
        """How a part's queries are attended to, some at a time.

        Args:
            start: place of the part's first token.
            count: its tokens.
        """
        found: list[Span] = []
        dtype, begin = self._layers[0].dtype, 0
        while begin < count:
            most = max(min(_QUERIES, _SCORES // (start + begin + 1)), 16)
            end = min(begin + most, count)
            mask = None
            if end - begin > 1:
                mask = torch.full((end - begin, start + end), -torch.inf, dtype=dtype)
                mask.triu_(start + begin + 1)
            found.append(Span(begin, end, start + end, mask))
            begin = end
        return found

    def attend(
        self, number: int, row: int, query: Tensor, spans: Sequence[Span], found: Tensor
    ) -> None:
        """What a part of a row sees of the row up to each of its tokens.

        Args:
            number: of the layer.
            row: which; the part's keys are kept already.
            query: ``[tokens, heads, size]``.
            spans: of the part.
            found: takes what is seen, ``[tokens, heads * size]``.
        """
        count, heads, size = query.shape
        keys, values = self._layers[number][:, row]
        # Heads that share keys see the same memory.
        queries = query.view(count, self._heads, heads // self._heads, size).permute(1, 2, 0, 3)
        shown = found.view(count, self._heads, heads // self._heads, size)
        for each in spans:
            some = slice(each.begin, each.end)
            shown[some] = _attended(
                queries[:, :, some], keys[:, : each.seen], values[:, : each.seen], each.mask
            ).permute(2, 0, 1, 3)

    def step(self) -> None:
        """Gets ready for one more token of each row."""
        longest = max(self.lengths) + 1
        self.reserve(longest)
        # Of each row the places of its new keys, head by head, and then those of its values.
        heads = torch.arange(self._heads) * self._room
        rows = torch.arange(len(self.lengths)) * (self._heads * self._room)
        keys = (rows + torch.tensor(self.lengths))[:, None].add(heads).flatten()
        whole = self._layers[0].shape[1] * self._heads * self._room
        self._places = torch.cat([keys, keys + whole])
        self.lengths = [length + 1 for length in self.lengths]
        self._groups = groups_of(self.lengths, self._layers[0].dtype, self._room)

    def attend_each(self, number: int, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keeps one token of each row, and gives what it sees, ``[rows, heads * size]``."""
        layer = self._layers[number]
        both = torch.cat([keys, values]).view(-1, self._size)
        layer.view(-1, self._size).index_copy_(0, self._places, both)
        rows, heads, size = query.shape
        queries = query.view(rows, self._heads, heads // self._heads, size)
        attended = _seen_each if layer.dtype is torch.bfloat16 else _seen_at_once
        found = [
            attended(
                queries[each.rows],
                layer[0, each.rows, :, : each.longest],
                layer[1, each.rows, :, : each.longest],
                each.mask,
            )
            for each in self._groups
        ]
        joined = found[0] if len(found) == 1 else torch.cat(found)
        return joined.reshape(rows, heads * size)


class Span(NamedTuple):
    """Some queries of a part that are attended to together.

    Attributes:
        begin, end: of the queries in their part.
        seen: keys of the row that the last of them sees.
        mask: added to scores, ``[queries, seen]``; None where all of them are seen.
    """

    begin: int
    end: int
    seen: int
    mask: Tensor | None


def _attended(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """What queries ``[key_heads, groups, tokens, size]`` see of keys ``[key_heads, seen, size]``.

    Returns:
        As the queries.
    """
    heads, groups, count, size = query.shape
    if query.dtype is not torch.bfloat16:
        shared, given = (each[:, None].expand(-1, groups, -1, -1) for each in (keys, values))
        return functional.scaled_dot_product_attention(query, shared, given, attn_mask=mask)
    flat = (query * size**-0.5).reshape(heads, groups * count, size)
    scores = torch.bmm(flat, keys.transpose(1, 2)).view(heads, groups, count, -1)
    if mask is not None:
        scores += mask
    chances = torch.softmax(scores, 3).view(heads, groups * count, -1)
    return torch.bmm(chances, values).view(heads, groups, count, size)


def _seen_at_once(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """What one token of each row sees: ``[rows, key_heads, groups, size]``, as the queries."""
    shown = None if mask is None else mask[:, None, None]
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=shown)


def _seen_each(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """The same in products of matrices; the keys are the larger side of theirs."""
    rows, heads, groups, size = query.shape
    flat = (query * size**-0.5).reshape(rows * heads, groups, size)
    scores = torch.bmm(keys.flatten(0, 1), flat.transpose(1, 2)).transpose(1, 2)
    scores = scores.reshape(rows, heads * groups, -1)
    if mask is not None:
        scores += mask[:, None]
    chances = torch.softmax(scores, 2).view(rows * heads, groups, -1)
    return torch.bmm(chances, values.flatten(0, 1)).view(rows, heads, groups, size)


class Group:
    """Rows whose attention is one call.

    Args:
        first: of the rows.
        lengths: of all of them.
        seen: keys of each row that are looked at; those beyond its own are masked.
        dtype: of the cache.
    """

    def __init__(self, first: int, lengths: Sequence[int], seen: int, dtype: torch.dtype) -> None:
        self.rows = slice(first, first + len(lengths))
        self.longest = seen
        self.mask: Tensor | None = None
        if min(lengths) < seen:
            place = torch.arange(seen)
            beyond = place >= torch.tensor(lengths)[:, None]
            mask = torch.zeros(beyond.shape, dtype=dtype).masked_fill_(beyond, -torch.inf)
            self.mask = mask


def groups_of(lengths: Sequence[int], dtype: torch.dtype, room: int) -> list[Group]:
    """Neighbouring rows together, as long as padding them costs less than another call.

    Args:
        lengths: keys of each row.
        dtype: of the cache.
        room: keys of each row that there is memory for.
    """
    found: list[tuple[list[int], int]] = []
    begin = 0
    for row in range(1, len(lengths) + 1):
        part = lengths[begin : row + 1]
        if row < len(lengths) and max(part) * len(part) - sum(part) <= _CALL:
            continue
        rows = list(lengths[begin:row])
        seen = max(rows) if dtype is not torch.bfloat16 else _seen_of(max(rows), room)
        if found and seen == room == found[-1][1]:
            found[-1][0].extend(rows)
        else:
            found.append((rows, seen))
        begin = row
    firsts = accumulate((len(rows) for rows, _ in found), initial=0)
    return [
        Group(first, rows, seen, dtype) for first, (rows, seen) in zip(firsts, found, strict=False)
    ]


def _seen_of(longest: int, room: int) -> int:
    """Keys of each row that products of matrices take.

    All that there is room for lie side by side. Of fewer a copy is made first, which takes as long
    as the products themselves.
    """
    filled = min(-(-longest // _FILLED) * _FILLED, room)
    return room if filled * _GAPLESS >= room else filled
