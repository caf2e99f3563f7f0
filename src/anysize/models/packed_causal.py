"""Padding-free execution of decoders: each token sees the tokens before it in its own sequence.

The sequences lie side by side in one row as in `anysize.models.packing`. Positions begin anew with
each of them and attention stays inside, so no text sees another one that it is batched with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers import PreTrainedModel

from anysize.models.packed_layout import Block, Packing, padded, unpadded
from anysize.models.packing import PackedRow, TokenIds, pack
from anysize.models.positions import position_count

ATTENTION_NAME = "anysize_packed_causal"

_FAMILIES = frozenset({
    "GPT2LMHeadModel", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
})  # fmt: skip
_LONGEST = 1 << 20


def supports_packed_causal(model: PreTrainedModel) -> bool:
    """Whether `PackedDecoder` runs this model: a known family with attention over all tokens."""
    config: Any = model.config
    whole = {"full_attention"} >= set(getattr(config, "layer_types", None) or ())
    narrow = getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None)
    return type(model).__name__ in _FAMILIES and whole and not narrow


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float, dropout: float = 0.0
) -> Tensor:
    """Attention of each segment's tokens over those up to them.

    Args:
        query: ``[tokens, heads, head_size]``, the segments in the packing's order.
        key: ``[tokens, key_heads, head_size]``; ``heads`` is a multiple of ``key_heads``.
        value: the same.
        packing: the segments.
        scale: what the scores are multiplied by.
        dropout: probability with which an attention probability is dropped.

    Returns:
        ``[tokens, heads, head_size]``.
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (each.repeat_interleave(groups, 1) for each in (key, value))
    sizes = [block.tokens for block in packing.blocks]
    parts = []
    for block, q, k, v in zip(
        packing.blocks, query.split(sizes), key.split(sizes), value.split(sizes), strict=True
    ):
        # Padding is behind the tokens of a segment, where none of them looks.
        attended = functional.scaled_dot_product_attention(
            _pad(q, block),
            _pad(k, block),
            _pad(v, block),
            dropout_p=dropout,
            is_causal=True,
            scale=scale,
        )
        parts.append(_unpad(attended, block))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _pad(row: Tensor, block: Block) -> Tensor:
    """`padded`, with a gradient that is gathered too.

    torch's own adds up row by row what came from one place, several times slower than attention
    itself. Here nothing comes together: what only fills a block up has no gradient, because no
    token looks at it and nothing of it is taken.
    """
    if block.gather is None or not (torch.is_grad_enabled() and row.requires_grad):
        return padded(row, block)
    return cast(Tensor, _Pad.apply(row, block))  # type: ignore[no-untyped-call]


def _unpad(batch: Tensor, block: Block) -> Tensor:
    """`unpadded`, with a gradient that is copied; see `_pad`."""
    if block.scatter is None or not (torch.is_grad_enabled() and batch.requires_grad):
        return unpadded(batch, block)
    return cast(Tensor, _Unpad.apply(batch, block))  # type: ignore[no-untyped-call]


class _Pad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, row: Tensor, block: Block) -> Tensor:
        ctx.block = block
        return padded(row, block)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return unpadded(grads[0], ctx.block), None


class _Unpad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, batch: Tensor, block: Block) -> Tensor:
        ctx.block, ctx.shape = block, batch.shape
        return unpadded(batch, block)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        block: Block = ctx.block
        segments, heads, width, size = ctx.shape
        assert block.scatter is not None
        whole = grads[0].new_zeros(segments * width, heads, size)
        whole.index_copy_(0, block.scatter, grads[0])
        return whole.view(segments, width, heads, size).transpose(1, 2), None


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
    """The function that transformers calls; without ``packing`` it is transformers' ``sdpa``."""
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        usual: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return usual
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    query, key, value = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
    return causal_attention(query, key, value, packing, scale, dropout).unsqueeze(0), None


class PackedDecoder:
    """Runs the body of a decoder on sequences without padding; its attention is set in place.

    Args:
        model: one for which `supports_packed_causal` is true.

    Attributes:
        row: how the sequences of the last call lay.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        AttentionInterface.register(ATTENTION_NAME, attention_forward)
        AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
        model.set_attn_implementation(ATTENTION_NAME)
        self._body: Any = model.base_model
        self._heads = int(model.config.num_attention_heads)
        self._longest = position_count(model.config) or _LONGEST
        # transformers takes a mask of four axes as it is; ours is never looked at.
        self._no_mask = torch.zeros(1, 1, 1, 1)
        self.row: PackedRow | None = None

    def __call__(self, sequences: Sequence[TokenIds]) -> Tensor:
        """The states of all tokens, ``[tokens, width]``: those of each sequence, in order.

        Raises:
            DataError: a sequence is empty or longer than the model's positions.
        """
        self.row = row = pack(sequences, self._heads, self._longest)
        found = self._body(
            **row.inputs(), attention_mask=self._no_mask, packing=row.packing, use_cache=False
        )
        return cast(Tensor, found.last_hidden_state[0].index_select(0, row.places()))
