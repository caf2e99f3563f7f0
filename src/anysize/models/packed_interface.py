"""Packed attention under a name of its own in transformers' interface for attention."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from anysize.models.packed_attention import packed_attention
from anysize.models.packed_layout import Packing

ATTENTION_NAME = "anysize_packed"


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
