"""Attention inside segments that lie side by side in one row, without a padded batch.

The segments of a `Packing` are sorted from the longest to the shortest. Neighbours whose lengths
round up to the same width become one batched attention call: on a view of the row where nothing
has to be rounded, else on a slightly padded copy whose padding is masked. Widths and counts come
from a short ladder of values, because oneDNN compiles a kernel for each new shape (about 1 ms) and
keeps a thousand of them.

Three ways to compute a block, the fastest measured for each purpose on a CPU:

- torch's fused ``scaled_dot_product_attention``: float32, or gradients without dropout;
- batched matrix products in bfloat16 for prediction: twice as fast as the fused kernel there;
- `_DropoutAttention` for dropout on the probabilities (Vaswani et al., 2017), for which torch has
  no fused kernel on a CPU; the fate of a probability is kept in its sign bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from anysize.models.packed_dropout import (
    DropBits,
    draw_seed,
    drop_level,
    dropped,
    negate_dropped_,
    survivor_scale,
)

ATTENTION_NAME = "anysize_packed"

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
        scatter: ``int64[tokens]``, where each token of the row stands in the padded block.
        real: ``bool[segments, width]``, true where a token stands and not padding. A dummy
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
        first: ``int64[segments]``, where the first token of each segment stands in the row.
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
        query: ``[tokens, heads, head_size]``, the segments in the packing's order.
        key: of the same shape.
        value: of the same shape.
        packing: the segments.
        scale: what the scores are multiplied by.
        dropout: probability with which an attention probability is dropped.

    Returns:
        ``[tokens, heads, head_size]``.
    """
    level = drop_level(dropout)
    if level:
        result = _DropoutAttention.apply(query, key, value, packing, scale, level)  # type: ignore[no-untyped-call]
        return cast(Tensor, result)
    if query.dtype is torch.bfloat16 and not torch.is_grad_enabled():
        return _product_attention(query * scale, key, value, packing)
    sizes = [block.tokens for block in packing.blocks]
    parts = []
    for block, q, k, v in zip(
        packing.blocks, query.split(sizes), key.split(sizes), value.split(sizes), strict=True
    ):
        attended = functional.scaled_dot_product_attention(
            _padded(q, block),
            _padded(k, block),
            _padded(v, block),
            attn_mask=None if block.keys is None else block.keys.to(q.dtype),
            scale=scale,
        )
        parts.append(_unpadded(attended, block))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def first_token_attention(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float, dropout: float = 0.0
) -> Tensor:
    """Attention of each segment's first token over its segment.

    Args:
        query: ``[segments, heads, head_size]``, of the first tokens alone.
        key: ``[tokens, heads, head_size]``.
        value: of the same shape.
        packing: the segments.
        scale: what the scores are multiplied by.
        dropout: probability with which an attention probability is dropped.

    Returns:
        ``[segments, heads, head_size]``.
    """
    level = drop_level(dropout)
    tokens = [block.tokens for block in packing.blocks]
    segments = [len(block.lengths) for block in packing.blocks]
    parts = []
    for block, q, k, v in zip(
        packing.blocks, query.split(segments), key.split(tokens), value.split(tokens), strict=True
    ):
        dummies = block.segments - len(block.lengths)
        q = functional.pad(q * scale, (0, 0, 0, 0, 0, dummies)).unsqueeze(2)
        scores = q @ _padded(k, block).transpose(2, 3)
        if block.keys is not None:
            scores = scores + block.keys.to(scores.dtype)
        probabilities = scores.softmax(-1)
        if level:
            probabilities = dropped(probabilities, level)
        attended = probabilities.to(v.dtype) @ _padded(v, block)
        parts.append(attended.squeeze(2)[: len(block.lengths)])
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _matrices(row: Tensor, block: Block) -> Tensor:
    """One block of a row as contiguous ``[segments * heads, width, size]``."""
    part = _padded(row[block.start : block.start + block.tokens], block)
    return part.reshape(-1, part.shape[2], part.shape[3])


def _into(row: Tensor, block: Block, matrices: Tensor) -> None:
    batch = matrices.view(block.segments, -1, block.width, matrices.shape[-1])
    row[block.start : block.start + block.tokens] = _unpadded(batch, block)


def _probabilities(query: Tensor, key: Tensor, block: Block) -> Tensor:
    """``[segments * heads, width, width]`` from queries that are scaled already."""
    scores = torch.bmm(query, key.transpose(1, 2))
    if block.keys is not None:
        by_head = scores.view(block.segments, -1, block.width, block.width)
        by_head.add_(block.keys.to(scores.dtype))
    return scores.softmax(-1)


def _product_attention(query: Tensor, key: Tensor, value: Tensor, packing: Packing) -> Tensor:
    """Attention by batched products, queries scaled already; no gradients."""
    output = torch.empty_like(value, memory_format=torch.contiguous_format)
    with torch.autocast("cpu", enabled=False):
        for block in packing.blocks:
            q, k, v = (_matrices(row, block) for row in (query, key, value))
            _into(output, block, torch.bmm(_probabilities(q, k, block), v))
    return output


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
            scaled = query * scale
            for block in packing.blocks:
                q, k, v = (_matrices(row, block) for row in (scaled, key, value))
                marked = negate_dropped_(_probabilities(q, k, block), bits)
                _into(output, block, torch.bmm(marked.relu(), v).mul_(survivors))
                signed.append(marked)
        ctx.save_for_backward(scaled, key, value, output, *signed)
        ctx.packing, ctx.scale, ctx.survivors = packing, scale, survivors
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scaled, key, value, output, *signed = ctx.saved_tensors
        grad = grads[0]
        grad_query, grad_key, grad_value = (torch.empty_like(output) for _ in range(3))
        survivors, scale = ctx.survivors, ctx.scale
        # Everything below is divided by c, which is put back on the small results.
        delta = (grad * output).sum(-1, keepdim=True, dtype=torch.float32).div_(-survivors)
        delta = delta.to(grad.dtype)
        for block, marked in zip(ctx.packing.blocks, signed, strict=True):
            q, k, v, d_out, shift = (
                _matrices(row, block) for row in (scaled, key, value, grad, delta)
            )
            if block.real is not None:
                real = block.real.to(grad.dtype)[:, None, :, None]
                for each in (d_out, shift):
                    each.view(block.segments, -1, block.width, each.shape[2]).mul_(real)
            kept = marked.relu()
            _into(grad_value, block, torch.bmm(kept.transpose(1, 2), d_out).mul_(survivors))
            d_scores = torch.bmm(d_out, v.transpose(1, 2)).mul_(kept)
            d_scores.addcmul_(marked.abs(), shift)
            _into(grad_query, block, torch.bmm(d_scores, k).mul_(scale * survivors))
            _into(grad_key, block, torch.bmm(d_scores.transpose(1, 2), q).mul_(survivors))
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
    query, key, value = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
    return packed_attention(query, key, value, packing, scale, dropout).unsqueeze(0), None


def register() -> None:
    """Makes ``anysize_packed`` known to transformers; harmless to repeat."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION_NAME, attention_forward)
    # Without a mask function of this name, padded calls would lose their mask in silence.
    AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
