"""Keys and values of sentences whose beams share them.

What the encoder read is kept once for each sentence, and so is what its beams have written: each
step adds a slot for each beam, and a mask says which slots a beam comes from. So beams that take
another's place copy nothing, and all beams of a sentence are one call of the attention, which reads
its keys once. Slots that no beam comes from any more are let go when they are many.

All of it is in float32: of so few tokens torch's attention took from half to as much of the time in
it that it took in bfloat16 (64 sentences of 16 and 60 tokens, a processor without AMX).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 32
# Slots from which on those that no beam comes from are let go.
_MANY = 32


class PairedCache:
    """The cache of a batch.

    Args:
        layers: of the decoder.
        heads: of it.
        size: of a head.

    Attributes:
        beams: rows of each sentence.
        count: sentences.
        used: slots of each sentence that are filled.
        read: tokens that were read of each row.
    """

    def __init__(self, layers: int, heads: int, size: int) -> None:
        self.beams, self.count, self.used, self.read = 1, 0, 0, 0
        self._heads, self._size = heads, size
        self._room = 0
        # Keys and values, ``[2, sentences, heads, slots, size]``.
        self._layers = [torch.empty(2, 0, heads, 0, size) for _ in range(layers)]
        self._across: list[Tensor] = []
        # What is added to scores: 0, or minus infinity for what is not seen. Of what the encoder
        # read ``[sentences, 1, 1, tokens]``, of what was written ``[sentences, beams, slots]``.
        self._hidden: Tensor | None = None
        self._seen = torch.empty(0, 1, 0)
        self._settled = 0

    def begin(self, across: Sequence[Tensor], mask: Tensor | None) -> None:
        """Empty rows, one of each sentence.

        Args:
            across: of each layer keys and values, ``[2, sentences, heads, tokens, size]``.
            mask: 1 at tokens that were read, ``[sentences, tokens]``; None where all were.
        """
        self._across, self.count = list(across), across[0].shape[1]
        self._seen = torch.empty(self.count, 1, 0)
        if mask is not None and not bool(mask.all()):
            hidden = torch.zeros(mask.shape)
            self._hidden = hidden.masked_fill_(mask == 0, -torch.inf)[:, None, None]

    @property
    def room(self) -> int:
        """Slots of each sentence that memory is taken for."""
        return self._room

    def size(self) -> int:
        """Bytes of what grows."""
        return sum(each.numel() * each.element_size() for each in self._layers)

    def branch(self, beams: int) -> None:
        """Makes so many rows of each, which all come from the same slots."""
        self.beams = beams
        self._seen = self._seen.expand(-1, beams, -1).contiguous()

    def keep(self, sentences: Sequence[int]) -> list[int]:
        """Lets the other sentences go; the last ones take their places.

        Returns:
            For each place that is left the sentence that lies there now.
        """
        count, wanted = len(sentences), set(sentences)
        order = list(range(count))
        free = [place for place in order if place not in wanted]
        late = sorted(each for each in wanted if each >= count)
        if free:
            for place, sentence in zip(free, late, strict=True):
                order[place] = sentence
            to, source = torch.tensor(free), torch.tensor(late)
            for layer in self._layers:
                filled = layer[:, :, :, : self.used]
                filled[:, to] = filled[:, source]
            for layer in self._across:
                layer[:, to] = layer[:, source]
            self._seen[to] = self._seen[source]
            if self._hidden is not None:
                self._hidden[to] = self._hidden[source]
        self.count = count
        return order

    def reorder(self, origins: Tensor) -> None:
        """Each beam comes from another now.

        Args:
            origins: which one, int64 ``[sentences, beams]``.
        """
        seen = self._seen[: self.count, :, : self.used]
        chosen = origins[:, :, None].expand(-1, -1, self.used)
        self._seen[: self.count, :, : self.used] = seen.gather(1, chosen)
        if self.beams > 1 and self.used >= max(2 * self._settled, _MANY):
            self._let_go()
            self._settled = self.used

    def step(self) -> None:
        """Gets ready for one more token of each row."""
        begin, self.used = self.used, self.used + self.beams
        self.read += 1
        self._reserve(self.used)
        own = torch.full((self.beams, self.beams), -torch.inf)
        self._seen[: self.count, :, begin : self.used] = own.fill_diagonal_(0)

    def stretch(self, tokens: int) -> None:
        """Grows each row by so many tokens of zeros, to measure with."""
        begin, self.used = self.used, self.used + tokens * self.beams
        self.read += tokens
        self._reserve(self.used)
        for layer in self._layers:
            layer[:, :, :, begin : self.used] = 0
        self._seen[:, :, begin : self.used] = 0

    def own(self, layer: int, inputs: Tensor) -> Tensor:
        """See ``paired_weights.Attention``."""
        split = inputs.view(self.count, self.beams, 3, self._heads, self._size)
        kept = self._layers[layer][:, : self.count]
        kept[:, :, :, self.used - self.beams : self.used] = split[:, :, 1:].permute(2, 0, 3, 1, 4)
        mask = None
        if self.beams > 1:
            mask = self._seen[: self.count, None, :, : self.used]
        return self._attended(split[:, :, 0], kept[:, :, :, : self.used], mask)

    def across(self, layer: int, query: Tensor) -> Tensor:
        """See ``paired_weights.Attention``."""
        split = query.view(self.count, self.beams, self._heads, self._size)
        mask = None if self._hidden is None else self._hidden[: self.count]
        return self._attended(split, self._across[layer][:, : self.count], mask)

    def _attended(self, query: Tensor, kept: Tensor, mask: Tensor | None) -> Tensor:
        """Beams ``[sentences, beams, heads, size]`` of keys and values, ``[rows, width]``."""
        found = functional.scaled_dot_product_attention(
            query.float().transpose(1, 2), kept[0], kept[1], attn_mask=mask
        )
        return found.transpose(1, 2).reshape(self.count * self.beams, -1).to(query.dtype)

    def _reserve(self, slots: int) -> None:
        """Takes memory for so many slots, and some more."""
        if slots <= self._room:
            return
        # As much again, so that growing copies little in all.
        room = slots if not self._room else max(slots, self._room + self._room // 2)
        room = -(-room // _BLOCK) * _BLOCK if slots > 1 else 1
        before = min(self._room, slots)
        for number, old in enumerate(self._layers):
            new = old.new_empty(2, self.count, self._heads, room, self._size)
            if before:
                new[:, :, :, :before] = old[:, : self.count, :, :before]
            self._layers[number] = new
        seen = self._seen.new_full((self.count, self.beams, room), -torch.inf)
        seen[:, :, :before] = self._seen[: self.count, :, :before]
        self._seen, self._room = seen, room

    def _let_go(self) -> None:
        """Moves the slots that a beam comes from together."""
        seen = self._seen[: self.count, :, : self.used]
        alive = (seen == 0).any(1)
        most = int(alive.sum(1).max())
        if most > 0.75 * self.used:
            return
        # Those that are alive come first, in their order; of sentences with fewer some more stay,
        # which are hidden.
        order = torch.argsort(alive.to(torch.int8), dim=1, descending=True, stable=True)[:, :most]
        for layer in self._layers:
            chosen = order[None, :, None, :, None].expand(2, -1, self._heads, -1, self._size)
            layer[:, : self.count, :, :most] = layer[:, : self.count].gather(3, chosen)
        chosen = order[:, None].expand(-1, self.beams, -1)
        self._seen[: self.count, :, :most] = seen.gather(2, chosen)
        self.used = most
