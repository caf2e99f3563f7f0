"""Segments of different lengths that lie side by side in one row, as blocks of one width each.

The segments of a `Packing` are sorted from the longest to the shortest. Neighbours whose lengths
round up to the same width become one block, which one batched call computes: on a view of the row
where nothing has to be rounded, else on a slightly padded copy whose padding is masked. Widths and
counts come from a short ladder of values, because oneDNN compiles a kernel for each new shape
(about 1 ms) and keeps a thousand of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_SCORES_PER_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Block:
    """Neighbouring segments that share one attention call.

    Attributes:
        start: first token of the block in the row.
        lengths: tokens of each segment, from long to short.
        segments: how many the call takes, with dummies after the real ones.
        width: tokens that the call has room for in each segment.
        gather: ``int64[segments * width]``, row positions relative to ``start`` that fill the
            padded block; None when nothing is padded.
        scatter: ``int64[tokens]``, the place of each token of the row in the padded block.
        real: ``bool[segments, width]``, true for a token, false for padding. A dummy
            segment repeats tokens of the block; its keys count as tokens for attention.
        keys: ``float32[segments, 1, 1, width]``, 0 where a key takes part and -inf where not.
    """

    start: int
    lengths: tuple[int, ...]
    segments: int
    width: int
    gather: Tensor | None = None
    scatter: Tensor | None = None
    real: Tensor | None = None
    keys: Tensor | None = None

    @property
    def tokens(self) -> int:
        return sum(self.lengths)


class Packing:
    """How the segments of one row share attention calls.

    Args:
        lengths: tokens per segment, from long to short, each at least 1.
        heads: attention heads of the model; with the width it bounds the scores of one call.

    Attributes:
        blocks: the calls; together they cover the row in order.
        first: ``int64[segments]``, the place of each segment's first token in the row.
    """

    def __init__(self, lengths: Sequence[int], heads: int) -> None:
        self.lengths = tuple(lengths)
        self.tokens = sum(self.lengths)
        self.blocks = tuple(_blocks(self.lengths, heads))
        ends = np.cumsum(self.lengths, dtype=np.int64)
        self.first = torch.from_numpy(ends - np.asarray(self.lengths, dtype=np.int64))

    def __repr__(self) -> str:
        return f"Packing({len(self.lengths)} segments, {self.tokens} tokens)"


def ladder_width(length: int) -> int:
    """The next width that calls have room for: steps of 16 to 64, then coarser."""
    step = 16 if length <= 64 else 32
    while step * 8 < length:
        step *= 2
    return -(-length // step) * step


def ladder_count(count: int) -> int:
    """The next number of segments that calls take: 1, 2, 3, 4, 6, 8, 12, 16, 24, ..."""
    power = 1 << max(0, count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and count <= power * 3 // 4 else power


def _blocks(lengths: tuple[int, ...], heads: int) -> Iterator[Block]:
    first = start = 0
    while first < len(lengths):
        width = ladder_width(lengths[first])
        room = max(1, _SCORES_PER_BLOCK // (heads * width * width))
        most = 1 << (room.bit_length() - 1)
        last = first
        while last < len(lengths) and last - first < most and ladder_width(lengths[last]) == width:
            last += 1
        block = _block(start, lengths[first:last], width)
        yield block
        start += block.tokens
        first = last


def _block(start: int, lengths: tuple[int, ...], width: int) -> Block:
    segments = ladder_count(len(lengths))
    if lengths[-1] == width and segments == len(lengths):
        return Block(start=start, lengths=lengths, segments=segments, width=width)
    sizes = np.full((segments, 1), width, dtype=np.int64)
    sizes[: len(lengths), 0] = lengths
    column = np.arange(width, dtype=np.int64)[None, :]
    begins = np.cumsum(sizes, axis=0) - sizes
    keys = column < sizes
    real = keys.copy()
    real[len(lengths) :] = False
    gather = np.where(keys, begins + column, 0)
    gather[len(lengths) :] = 0
    bias = np.where(keys, np.float32(0), np.float32(-np.inf))[:, None, None, :]
    return Block(
        start=start,
        lengths=lengths,
        segments=segments,
        width=width,
        gather=torch.from_numpy(gather.reshape(-1)),
        scatter=torch.from_numpy(np.flatnonzero(real)),
        real=torch.from_numpy(real),
        keys=torch.from_numpy(bias),
    )


def padded(row: Tensor, block: Block) -> Tensor:
    """``[tokens, heads, size]`` of one block as ``[segments, heads, width, size]``."""
    if block.gather is not None:
        row = row.index_select(0, block.gather)
    return row.view(block.segments, block.width, *row.shape[1:]).transpose(1, 2)


def unpadded(batch: Tensor, block: Block) -> Tensor:
    """``[segments, heads, width, size]`` back as ``[tokens, heads, size]``."""
    row = batch.transpose(1, 2).reshape(-1, batch.shape[1], batch.shape[3])
    return row if block.scatter is None else row.index_select(0, block.scatter)
