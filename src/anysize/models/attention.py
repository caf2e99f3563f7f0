"""One self-attention block over embeddings: the smallest model that relates words to words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.core.errors import DataError
from anysize.models.network import BuildRequest, Network
from anysize.models.textual import (
    WINDOW,
    TextClassifier,
    TextClassifierConfig,
    TextEncoder,
    TokenClassifier,
    build_network,
    masked_mean,
    register,
)

PROVIDES = ("attention",)


class AttentionConfig(TextClassifierConfig):
    """Configuration of :class:`AttentionEncoder`.

    Args:
        num_heads: attention heads; ``hidden_size`` must be a multiple of it.
        intermediate_size: width of the feed-forward part.
        max_position_embeddings: tokens that fit into one window.
        **kwargs: see :class:`TextClassifierConfig`.
    """

    model_type = "anysize_attention"

    def __init__(
        self,
        num_heads: int = 4,
        intermediate_size: int = 512,
        max_position_embeddings: int = WINDOW,
        **kwargs: Any,
    ) -> None:
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.max_position_embeddings = max_position_embeddings
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        sizes = ("num_heads", "intermediate_size", "max_position_embeddings")
        found += [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in sizes
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if not found and self.hidden_size % self.num_heads:
            found.append(
                f"hidden_size must be a multiple of num_heads ({self.num_heads}), "
                f"not {self.hidden_size}"
            )
        return found


class AttentionEncoder(TextEncoder):
    """One encoder block of Vaswani et al. (arXiv:1706.03762).

    Token and learned position embeddings; multi-head self-attention and a feed-forward part, each
    with a residual connection and a layer norm after it.
    """

    config_class = AttentionConfig

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.positions = nn.Embedding(config.max_position_embeddings, width)
        self.embedding_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, config.intermediate_size)
        self.narrow = nn.Linear(config.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """``[n, length, hidden_size]``: the block's output.

        Raises:
            DataError: there are more tokens than ``max_position_embeddings``.
        """
        length, longest = input_ids.shape[1], self.config.max_position_embeddings
        # While the model is traced for export, the length is not a number yet.
        if isinstance(length, int) and length > longest:
            raise DataError(
                "input_ids",
                f"must have at most {longest} tokens a row (max_position_embeddings of the "
                f"model), not {length}; cut the text into windows",
            )
        positions = torch.arange(length, device=input_ids.device)
        hidden = self.embeddings(input_ids) + self.positions(positions)
        hidden = self.dropout(self.embedding_norm(hidden))
        attended = self.attended(self._attention(hidden, attention_mask))
        hidden = self.attention_norm(hidden + self.dropout(attended))
        wide = functional.gelu(self.widen(hidden))
        output: Tensor = self.output_norm(hidden + self.dropout(self.narrow(wide)))
        return output

    def _attention(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Scaled dot-product attention ``[n, length, hidden_size]``, padding left out."""
        count, length, width = hidden.shape
        heads = self.config.num_heads
        split = self.query_key_value(hidden).view(count, length, 3, heads, width // heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        output = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=(attention_mask != 0)[:, None, None, :],
            dropout_p=self.config.dropout if self.training else 0.0,
        )
        return output.transpose(1, 2).reshape(count, length, width)


class AttentionForSequenceClassification(AttentionEncoder, TextClassifier):
    """The block, the mean over the tokens, one linear layer."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config)
        self.finish(config.hidden_size)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """``[n, hidden_size]``: the block's output, averaged over the tokens."""
        return masked_mean(self.states(input_ids, attention_mask), attention_mask)


class AttentionForTokenClassification(AttentionEncoder, TokenClassifier):
    """The block, and one linear layer over the states of each token."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config)
        self.finish(config.hidden_size)


def attention(
    *,
    vocab_size: int,
    pad_token_id: int,
    window: int,
    hidden_size: int = 256,
    num_heads: int = 4,
    intermediate_size: int = 512,
    dropout: float = 0.2,
    **labels: Any,
) -> AttentionConfig:
    """The configuration of an attention block."""
    return AttentionConfig(
        vocab_size=vocab_size,
        pad_token_id=pad_token_id,
        max_position_embeddings=max(window, WINDOW),
        hidden_size=hidden_size,
        num_heads=num_heads,
        intermediate_size=intermediate_size,
        dropout=dropout,
        **labels,
    )


def build(key: str, request: BuildRequest) -> Network:
    """See :func:`anysize.models.textual.build_network`."""
    return build_network(attention, key, request)


register(AttentionConfig, AttentionForSequenceClassification, AttentionForTokenClassification)
