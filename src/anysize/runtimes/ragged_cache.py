"""Keys and values of rows of different lengths, without padding before them.

Neighbouring rows of similar lengths share a room (``runtimes.ragged_room``), so that their keys lie
without gaps, as oneDNN takes them without a copy, and few are looked at in vain. When a room is
full, all are built anew with more tokens, a layer at a time, for the rows that are left.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anysize.core.generation import SINKS
from anysize.runtimes.forgetting import Turning
from anysize.runtimes.ragged_attention import Span, attended, seen_by_each, spans_of
from anysize.runtimes.ragged_room import Heads, Room, rooms_for

# Tokens that rooms are built for beyond what their rows hold.
_AHEAD = 48
# Tokens whose keys are moved at a time.
_MOVED = 512


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
        self._heads = Heads(heads, size)
        # Of each layer vectors of heads, ``[vectors, size]``.
        self._layers = [torch.empty(0, size, dtype=dtype) for _ in range(layers)]
        self._rooms: list[Room] = []
        # Of each layer keys and values of each room, ``[rows * key_heads, tokens, size]``.
        self._views: list[list[tuple[Tensor, Tensor]]] = []
        self._sizes: list[int] = []  # the first number of these shapes
        self._places = torch.zeros(0, dtype=torch.long)

    def begin(self, lengths: Sequence[int], *, exact: bool = False) -> None:
        """Empty rows.

        Args:
            lengths: tokens that each is to hold at first; similar ones should be neighbours.
            exact: memory for no more than that.
        """
        self.lengths = [0] * len(lengths)
        self._build(range(len(lengths)), lengths, 0 if exact else _AHEAD)

    @property
    def room(self) -> int:
        """Tokens of the longest row that memory is taken for."""
        return max((each.tokens for each in self._rooms), default=0)

    def size(self) -> int:
        """Bytes."""
        return sum(each.numel() * each.element_size() for each in self._layers)

    def stretch(self, tokens: int) -> None:
        """Grows each row by so many tokens of zeros, to measure with."""
        grown = [length + tokens for length in self.lengths]
        self._build(range(len(grown)), grown, _AHEAD)
        self.lengths = grown

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Lets the other rows go.

        Args:
            rows: their places; one may come several times.

        Returns:
            Where each of them lies now.
        """
        if len(set(rows)) < len(rows):
            order = sorted(range(len(rows)), key=rows.__getitem__)
            chosen = [rows[each] for each in order]
            self._build(chosen, [self.lengths[row] for row in chosen], _AHEAD)
            return sorted(range(len(rows)), key=order.__getitem__)
        wanted = set(rows)
        left: list[int] = []
        for room in self._rooms:
            own = room.close(wanted, self.lengths, self._layers)
            room.first = len(left)
            left += own
        self._rooms = [room for room in self._rooms if room.rows]
        self.lengths = [self.lengths[row] for row in left]
        self._look()
        return [left.index(row) for row in rows]

    def select(self, rows: Tensor) -> None:
        """Makes each row a copy of another of its length; see ``decoding.Cached.reorder``."""
        for room in self._rooms:
            longest = max(self.lengths[room.places])
            chosen = rows[room.places] - room.first
            for layer in self._layers:
                kept = room.of(layer)[..., :longest, :]
                kept.copy_(kept[:, chosen])
        self.lengths = [self.lengths[row] for row in rows.tolist()]

    def forget(self, row: int, number: int, turning: Turning) -> None:
        """Lets so many tokens behind the first few go, and moves the others to their places."""
        length = self.lengths[row]
        # A part at a time, from the beginning on: a copy of all of them could be as large as all
        # that the model keeps.
        for start in range(SINKS, length - number, _MOVED):
            stop = min(start + _MOVED, length - number)
            moved = torch.full((1, stop - start), number)
            for layer in range(len(self._layers)):
                for place, keys in zip(self._row(layer, row), (True, False), strict=True):
                    kept = place[:, start + number : stop + number].clone()
                    place[:, start:stop] = turning.back(kept[None], moved)[0] if keys else kept
        self.lengths[row] = length - number

    def write(self, number: int, row: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Keeps a part of a row: ``[tokens, heads, size]`` from token ``start`` on."""
        for place, new in zip(self._row(number, row), (keys, values), strict=True):
            place[:, start : start + len(new)] = new.transpose(0, 1)

    def spans(self, start: int, count: int) -> list[Span]:
        """See `spans_of`."""
        return spans_of(start, count, self._layers[0].dtype)

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
        keys, values = self._row(number, row)
        # Heads that share keys see the same memory.
        groups = heads // self._heads.number
        queries = query.view(count, self._heads.number, groups, size).permute(1, 2, 0, 3)
        shown = found.view(count, self._heads.number, groups, size)
        for each in spans:
            some = slice(each.begin, each.end)
            shown[some] = attended(
                queries[:, :, some], keys[:, : each.seen], values[:, : each.seen], each.mask
            ).permute(2, 0, 1, 3)

    def step(self) -> None:
        """Gets ready for one more token of each row."""
        grown = [length + 1 for length in self.lengths]
        if any(max(grown[room.places]) > room.tokens for room in self._rooms):
            self._build(range(len(grown)), grown, _AHEAD)
        vectors = [room.vectors(self.lengths[room.places]) for room in self._rooms]
        self._places = torch.cat(vectors, 1).flatten()
        for room in self._rooms:
            room.show(grown[room.places], self._layers[0].dtype)
        self.lengths = grown

    def attend_each(self, number: int, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Keeps one token of each row, and gives what it sees, ``[rows, heads * size]``."""
        new = torch.cat([keys, values]).view(-1, self._heads.size)
        self._layers[number][self._places] = new
        rows, heads, size = query.shape
        few = (query * size**-0.5).view(rows * self._heads.number, -1, size)
        found = torch.empty_like(few)
        parts = zip(few.split(self._sizes), found.split(self._sizes), strict=True)
        views = zip(self._rooms, self._views[number], strict=True)
        for (asked, seen), (room, kept) in zip(parts, views, strict=True):
            seen_by_each(asked, *kept, room.mask, seen)
        return found.view(rows, heads * size)

    def _row(self, number: int, row: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a row in a layer, ``[key_heads, tokens, size]``."""
        at = self._room_of(row)
        first = (row - self._rooms[at].first) * self._heads.number
        keys, values = self._views[number][at]
        own = slice(first, first + self._heads.number)
        return keys[own], values[own]

    def _room_of(self, row: int) -> int:
        return next(at for at, each in enumerate(self._rooms) if row < each.places.stop)

    def _build(self, rows: Sequence[int], lengths: Sequence[int], ahead: int) -> None:
        """New rooms.

        Args:
            rows: which row each of the new ones is.
            lengths: tokens that each is to hold, at least.
            ahead: tokens of each beyond them.
        """
        held = [self.lengths[row] for row in rows]
        rooms = rooms_for(lengths, self._heads, ahead=ahead, most=self._most)
        # Layers are built one after another, so that only one of them is there twice.
        self._views = []
        for number, layer in enumerate(self._layers):
            new = layer.new_empty(rooms[-1].end, self._heads.size)
            for room in rooms:
                place = room.of(new)
                # What is masked must be numbers, too.
                place[..., min(held[room.places]) :, :] = 0
                for at, (row, length) in enumerate(
                    zip(rows[room.places], held[room.places], strict=True)
                ):
                    if length:
                        source = self._rooms[self._room_of(row)]
                        before = source.of(layer)[:, row - source.first, :, :length]
                        place[:, at, :, :length] = before
            self._layers[number] = new
        self.lengths, self._rooms = held, rooms
        self._look()

    def _look(self) -> None:
        """Finds rooms in layers, after either has changed."""
        self._views = []
        for layer in self._layers:
            parts = [room.of(layer) for room in self._rooms]
            self._views.append([
                (keys.flatten(0, 1), values.flatten(0, 1)) for keys, values in parts
            ])  # fmt: skip
        self._sizes = [room.rows * self._heads.number for room in self._rooms]
