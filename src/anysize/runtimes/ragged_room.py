"""Room for the keys and values of neighbouring rows of similar lengths, a part of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Rooms have multiples of so many tokens, for as few kernels.
_FILLED = 32
# Numbers looked at in vain that cost as much as another call of the attention, about.
CALL = 400 * 192


class Heads(NamedTuple):
    """Of keys: how many, and the size of each."""

    number: int
    size: int


class Room:
    """Where some rows' keys and values lie: ``[2, rows, key_heads, tokens, size]`` of each layer.

    Args:
        first: place of its first row in the cache.
        rows: how many there are.
        tokens: of each row that there is memory for.
        heads: of keys.
        begin: where it begins in a layer, in vectors of a head.

    Attributes:
        mask: added to scores of a step, ``[rows * key_heads, 1, tokens]``; None where all keys are
            seen.
    """

    def __init__(self, first: int, rows: int, tokens: int, heads: Heads, begin: int) -> None:
        self.first, self.rows, self.tokens = first, rows, tokens
        self.end = begin + 2 * rows * heads.number * tokens
        self.mask: Tensor | None = None
        self._begin, self._shape = begin, (2, rows, heads.number, tokens, heads.size)

    @property
    def places(self) -> slice:
        """Of its rows in the cache."""
        return slice(self.first, self.first + self.rows)

    def of(self, layer: Tensor) -> Tensor:
        """Its part of a layer ``[vectors, size]``, without gaps between heads and rows."""
        return layer[self._begin : self.end].view(self._shape)[:, : self.rows]

    def vectors(self, lengths: Sequence[int]) -> Tensor:
        """Where a token goes whose rows hold so many: ``[2, rows * key_heads]``, in a layer."""
        _, rows, heads, tokens, _ = self._shape
        own = torch.arange(len(lengths)) * (heads * tokens) + torch.tensor(lengths)
        keys = self._begin + own[:, None] + torch.arange(heads) * tokens
        return torch.stack([keys, keys + rows * heads * tokens]).flatten(1)

    def show(self, lengths: Sequence[int], dtype: torch.dtype) -> None:
        """Sets the mask: so many tokens of each row are seen."""
        self.mask = None
        if min(lengths) < self.tokens:
            each = torch.tensor(lengths).repeat_interleave(self._shape[2])
            beyond = torch.arange(self.tokens) >= each[:, None, None]
            self.mask = torch.zeros(beyond.shape, dtype=dtype).masked_fill_(beyond, -torch.inf)

    def close(
        self, wanted: set[int], lengths: Sequence[int], layers: Sequence[Tensor]
    ) -> list[int]:
        """Lets rows go; the last ones take their places.

        Args:
            wanted: places in the cache of rows that stay.
            lengths: of all rows of the cache.
            layers: whose part the room is.

        Returns:
            For each place that is left the one of the row that lies there now.
        """
        order = list(range(self.first, self.first + self.rows))
        left = [place for place in order if place in wanted]
        moving = [place for place in left if place - self.first >= len(left)]
        for at in range(len(left)):
            if order[at] in wanted:
                continue
            source = moving.pop()
            length = lengths[source]
            for layer in layers:
                rows = self.of(layer)
                rows[:, at, :, :length] = rows[:, source - self.first, :, :length]
                # What is masked must be numbers, too.
                rows[:, at, :, length:] = 0
            order[at] = source
        self.rows = len(left)
        return order[: self.rows]


def rooms_for(lengths: Sequence[int], heads: Heads, *, ahead: int, most: int | None) -> list[Room]:
    """Room for rows of such lengths.

    Args:
        lengths: of each row.
        heads: of keys.
        ahead: tokens that there is to be memory for beyond them; 0 for no more than that.
        most: tokens of a row that memory is taken for, at most.
    """
    found: list[Room] = []
    begin = 0
    for part in parted(lengths, CALL // (heads.number * heads.size)):
        tokens = max(lengths[part])
        if ahead:
            tokens = max(min(-(-(tokens + ahead) // _FILLED) * _FILLED, most or 1 << 40), tokens)
        found.append(Room(part.start, part.stop - part.start, tokens, heads, begin))
        begin = found[-1].end
    return found


def parted(lengths: Sequence[int], call: int) -> Iterator[slice]:
    """Neighbouring rows together, as long as padding them costs less than another call.

    Rows of equal length that are neighbours stay together: they may be beams of one prompt.

    Args:
        lengths: of the rows.
        call: tokens of padding that cost as much.
    """
    begin = longest = whole = 0
    for row, length in enumerate(lengths):
        longest, whole = max(longest, length), whole + length
        padding = longest * (row + 1 - begin) - whole
        if row > begin and padding > call and length != lengths[row - 1]:
            yield slice(begin, row)
            begin, longest, whole = row, length, length
    if lengths:
        yield slice(begin, len(lengths))
