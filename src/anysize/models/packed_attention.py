"""Attention inside segments that lie side by side in one row, without a padded batch.

Three ways to compute a block of segments (`packed_layout`), the fastest measured for each purpose
on a CPU:

- torch's fused ``scaled_dot_product_attention``: float32, gradients without dropout, or AMX;
- batched matrix products for prediction in bfloat16 without AMX: twice as fast as the fused kernel
  there, where with AMX they take 1.1 times as long (tokens by 32) to 1.7 times (by 300);
- `_DropoutAttention` for dropout on the probabilities (Vaswani et al., 2017), for which torch has
  no fused kernel on a CPU; the fate of a probability is kept in its sign bit.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
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
from anysize.models.packed_layout import Block, Packing, padded, unpadded
from anysize.models.processor import has_tiles


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
    if query.dtype is torch.bfloat16 and not torch.is_grad_enabled() and not has_tiles():
        scaled = query if scale == 1 else query * scale
        return _product_attention(scaled, key, value, packing)
    sizes = [block.tokens for block in packing.blocks]
    rows = (each[: packing.tokens].split(sizes) for each in (query, key, value))
    parts = []
    for block, q, k, v in zip(packing.blocks, *rows, strict=True):
        attended = functional.scaled_dot_product_attention(
            padded(q, block),
            padded(k, block),
            padded(v, block),
            attn_mask=None if block.keys is None else block.keys.to(q.dtype),
            scale=scale,
        )
        parts.append(unpadded(attended, block))
    # Rows behind the last block belong to no segment, and stay numbers.
    if beyond := len(query) - packing.tokens:
        parts.append(query.new_zeros(beyond, *query.shape[1:]))
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
        scores = q @ padded(k, block).transpose(2, 3)
        if block.keys is not None:
            scores = scores + block.keys.to(scores.dtype)
        probabilities = scores.softmax(-1)
        if level:
            probabilities = dropped(probabilities, level)
        attended = probabilities.to(v.dtype) @ padded(v, block)
        parts.append(attended.squeeze(2)[: len(block.lengths)])
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _matrices(row: Tensor, block: Block) -> Tensor:
    """One block of a row as contiguous ``[segments * heads, width, size]``."""
    part = padded(row[block.start : block.start + block.tokens], block)
    return part.reshape(-1, part.shape[2], part.shape[3])


def _into(row: Tensor, block: Block, matrices: Tensor) -> None:
    batch = matrices.view(block.segments, -1, block.width, matrices.shape[-1])
    row[block.start : block.start + block.tokens] = unpadded(batch, block)


def _probabilities(query: Tensor, key: Tensor, block: Block) -> Tensor:
    """``[segments * heads, width, width]`` from queries that are scaled already."""
    scores = torch.bmm(query, key.transpose(1, 2))
    if block.keys is not None:
        by_head = scores.view(block.segments, -1, block.width, block.width)
        by_head.add_(block.keys.to(scores.dtype))
    return scores.softmax(-1)


def _product_attention(query: Tensor, key: Tensor, value: Tensor, packing: Packing) -> Tensor:
    """Attention by batched products, queries scaled already; no gradients."""
    # Rows behind the last block belong to no segment, and stay numbers.
    output = torch.empty_like(value, memory_format=torch.contiguous_format)
    output[packing.tokens :] = 0
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
