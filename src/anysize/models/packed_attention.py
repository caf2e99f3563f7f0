"""Attention inside segments that lie side by side in one row, without a padded batch.

The segments of a `Packing` are sorted from the longest to the shortest, so that segments of equal
length are neighbours and become one batched attention call on a view of the row. Neighbours of
nearly equal length share a call too: those are copied into a slightly padded block whose padding
is masked, which bounds the number of calls for any mix of lengths.

Without dropout the calls are torch's fused ``scaled_dot_product_attention``. With dropout on the
probabilities (Vaswani et al., 2017) torch has no fused kernel for a CPU, so `_DropoutAttention`
does it with batched matrix products; the fate of a probability is kept in its sign bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from anysize.models.packed_dropout import (
    DropBits,
    draw_seed,
    drop_level,
    negate_dropped_,
    survivor_scale,
)

ATTENTION_NAME = "anysize_packed"

_SHARED_CALL_WASTE = 0.15
_OWN_CALL_TOKENS = 512
_SCORES_PER_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Block:
    """Neighbouring segments that share one attention call.

    Attributes:
        start: first token of the block in the row.
        lengths: tokens of each segment, from long to short.
        gather: ``int64[segments * width]``, row positions relative to ``start`` that fill the
            padded block; None when all lengths are equal.
        scatter: ``int64[tokens]``, where each token of the row stands in the padded block.
        keys: ``bool[segments, 1, 1, width]``, true where a key is a token and not padding.
    """

    start: int
    lengths: tuple[int, ...]
    gather: Tensor | None = None
    scatter: Tensor | None = None
    keys: Tensor | None = None

    @property
    def width(self) -> int:
        return self.lengths[0]

    @property
    def segments(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        return sum(self.lengths)


class Packing:
    """How the segments of one row share attention calls.

    Args:
        lengths: tokens per segment, from long to short, each at least 1.
        heads: attention heads of the model; with the width it bounds the scores of one call.
    """

    def __init__(self, lengths: Sequence[int], heads: int) -> None:
        self.lengths = tuple(lengths)
        self.tokens = sum(self.lengths)
        self.blocks = tuple(_blocks(self.lengths, heads))

    def __repr__(self) -> str:
        return f"Packing({len(self.lengths)} segments, {self.tokens} tokens)"


def _blocks(lengths: tuple[int, ...], heads: int) -> Iterator[Block]:
    first = start = 0
    while first < len(lengths):
        width = lengths[first]
        limit = max(1, _SCORES_PER_CHUNK // (heads * width * width))
        equal = first
        while equal < len(lengths) and lengths[equal] == width:
            equal += 1
        last = equal
        if (equal - first) * width < _OWN_CALL_TOKENS:
            shortest = width * (1 - _SHARED_CALL_WASTE) - 2
            while last < len(lengths) and lengths[last] >= shortest:
                last += 1
        last = min(last, first + limit)
        yield _block(start, lengths[first:last])
        start += sum(lengths[first:last])
        first = last


def _block(start: int, lengths: tuple[int, ...]) -> Block:
    width = lengths[0]
    if lengths[-1] == width:
        return Block(start=start, lengths=lengths)
    sizes = np.asarray(lengths, dtype=np.int64)[:, None]
    column = np.arange(width, dtype=np.int64)[None, :]
    begins = np.cumsum(sizes, axis=0) - sizes
    real = column < sizes
    return Block(
        start=start,
        lengths=lengths,
        gather=torch.from_numpy((begins + np.minimum(column, sizes - 1)).reshape(-1)),
        scatter=torch.from_numpy(np.flatnonzero(real)),
        keys=torch.from_numpy(real[:, None, None, :]),
    )


def _padded(row: Tensor, block: Block) -> Tensor:
    """``[tokens, heads, size]`` of one block as ``[segments, heads, width, size]``."""
    if block.gather is not None:
        row = row.index_select(0, block.gather)
    return row.view(block.segments, block.width, *row.shape[1:]).transpose(1, 2)


def _unpadded(batch: Tensor, block: Block) -> Tensor:
    """``[segments, heads, width, size]`` back as ``[tokens, heads, size]``."""
    row = batch.transpose(1, 2).reshape(-1, batch.shape[1], batch.shape[3])
    return row if block.scatter is None else row.index_select(0, block.scatter)


def packed_attention(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float, dropout: float = 0.0
) -> Tensor:
    """Attention of each segment over itself.

    Args:
        query, key, value: ``[tokens, heads, head_size]``, the segments in the packing's order.
        packing: the segments.
        scale: what the scores are multiplied by.
        dropout: probability with which an attention probability is dropped.

    Returns:
        ``[tokens, heads, head_size]``.
    """
    level = drop_level(dropout)
    if level:
        result: Tensor = _DropoutAttention.apply(query, key, value, packing, scale, level)
        return result
    sizes = [block.tokens for block in packing.blocks]
    parts = []
    for block, q, k, v in zip(
        packing.blocks, query.split(sizes), key.split(sizes), value.split(sizes), strict=True
    ):
        attended = functional.scaled_dot_product_attention(
            _padded(q, block),
            _padded(k, block),
            _padded(v, block),
            attn_mask=block.keys,
            scale=scale,
        )
        parts.append(_unpadded(attended, block))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _matrices(row: Tensor, block: Block) -> Tensor:
    """One block of a row as contiguous ``[segments * heads, width, size]``."""
    part = _padded(row[block.start : block.start + block.tokens], block)
    return part.reshape(-1, part.shape[2], part.shape[3])


def _into(row: Tensor, block: Block, matrices: Tensor) -> None:
    batch = matrices.view(block.segments, -1, block.width, matrices.shape[-1])
    row[block.start : block.start + block.tokens] = _unpadded(batch, block)


class _DropoutAttention(torch.autograd.Function):
    """Attention with dropout on the probabilities.

    With P the probabilities, M the kept ones and c the survivors' scale, the output is
    O = c (P * M) V. The gradient of the scores is P * (c M * dO V^T - delta) where
    delta = rowsum(dO * O) (Dao et al., 2022, equation 4, which holds with dropout too).
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        packing: Packing,
        scale: float,
        level: int,
    ) -> Tensor:
        bits = DropBits(draw_seed(), level)
        survivors = survivor_scale(level)
        output = torch.empty_like(value, memory_format=torch.contiguous_format)
        signed = []
        with torch.autocast("cpu", enabled=False):
            for block in packing.blocks:
                q, k, v = (_matrices(row, block) for row in (query, key, value))
                scores = torch.bmm(q, k.transpose(1, 2)).mul_(scale)
                if block.keys is not None:
                    by_head = scores.view(block.segments, -1, block.width, block.width)
                    by_head.masked_fill_(~block.keys, float("-inf"))
                marked = negate_dropped_(scores.softmax(-1), bits)
                _into(output, block, torch.bmm(marked.relu(), v).mul_(survivors))
                signed.append(marked)
        ctx.save_for_backward(query, key, value, output, *signed)
        ctx.packing, ctx.scale, ctx.survivors = packing, scale, survivors
        return output

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, *signed = ctx.saved_tensors
        grad = grads[0]
        grad_query, grad_key, grad_value = (torch.empty_like(output) for _ in range(3))
        survivors, scale = ctx.survivors, ctx.scale
        # Everything below is divided by c, which is put back on the small results.
        delta = (grad * output).sum(-1, keepdim=True, dtype=torch.float32).div_(-survivors)
        delta = delta.to(grad.dtype)
        for block, marked in zip(ctx.packing.blocks, signed, strict=True):
            q, k, v, d_out, shift = (
                _matrices(row, block) for row in (query, key, value, grad, delta)
            )
            if block.keys is not None:
                real = block.keys.transpose(2, 3).expand(-1, query.shape[1], -1, -1)
                d_out = d_out.masked_fill(~real.reshape(-1, block.width, 1), 0.0)
                shift = shift.masked_fill(~real.reshape(-1, block.width, 1), 0.0)
            kept = marked.relu()
            _into(grad_value, block, torch.bmm(kept.transpose(1, 2), d_out).mul_(survivors))
            d_scores = torch.bmm(d_out, v.transpose(1, 2)).mul_(kept)
            d_scores.addcmul_(marked.abs(), shift)
            _into(grad_query, block, torch.bmm(d_scores, k).mul_(scale * survivors))
            _into(grad_key, block, torch.bmm(d_scores.transpose(1, 2), q).mul_(scale * survivors))
        return grad_query, grad_key, grad_value, None, None, None


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """The function registered with transformers' attention interface as ``anysize_packed``.

    Without ``packing`` it is transformers' own ``sdpa``, so that a model set to this
    implementation still takes padded batches with a mask.
    """
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        padded: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return padded
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    rows = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
    return packed_attention(*rows, packing, scale, dropout).unsqueeze(0), None


def register() -> None:
    """Makes ``anysize_packed`` known to transformers; harmless to repeat."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION_NAME, attention_forward)
    # Without a mask function of this name, padded calls would lose their mask in silence.
    AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
