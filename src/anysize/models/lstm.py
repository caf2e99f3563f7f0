"""A bidirectional LSTM over embeddings, pooled by mean and maximum."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from anysize.models.network import BuildRequest, Network
from anysize.models.textual import (
    TextClassifier,
    TextClassifierConfig,
    TextEncoder,
    TokenClassifier,
    build_network,
    masked_mean,
    register,
)

PROVIDES = ("lstm",)


class LSTMConfig(TextClassifierConfig):
    """Configuration of :class:`LSTMEncoder`.

    Args:
        num_layers: bidirectional layers on top of each other.
        **kwargs: see :class:`TextClassifierConfig`; ``hidden_size`` is the width of one direction.
    """

    model_type = "anysize_lstm"

    def __init__(self, num_layers: int = 1, **kwargs: Any) -> None:
        self.num_layers = num_layers
        super().__init__(**kwargs)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = super().problems()
        if not isinstance(self.num_layers, int) or self.num_layers < 1:
            found.append(f"num_layers must be a whole number of at least 1, not {self.num_layers}")
        return found


class LSTMEncoder(TextEncoder):
    """Embeddings, and LSTMs in both directions.

    The LSTM is that of Hochreiter and Schmidhuber (1997) with forget gates. The backward
    direction is a second LSTM over each sequence turned round by itself, so that it begins at the
    last token and never sees the padding.
    """

    config_class = LSTMConfig

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        inputs = [width] + [2 * width] * (config.num_layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in inputs)
        self.backwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in inputs)
        self.dropout = nn.Dropout(config.dropout)

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """``[n, length, 2 * hidden_size]``: both directions."""
        lengths = attention_mask.sum(1, keepdim=True)
        positions = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0)
        # Turns each sequence round within its own length; the padding stays where it is.
        turned = torch.where(positions < lengths, lengths - 1 - positions, positions)
        hidden = self.dropout(self.embeddings(input_ids))
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            index = turned.unsqueeze(-1)
            reverse, _ = back(hidden.gather(1, index.expand_as(hidden)))
            forward, _ = ahead(hidden)
            reverse = reverse.gather(1, index.expand_as(reverse))
            hidden = self.dropout(torch.cat([forward, reverse], -1))
        return cast(Tensor, hidden)


class LSTMForSequenceClassification(LSTMEncoder, TextClassifier):
    """The LSTMs, mean and maximum over the tokens, one linear layer."""

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__(config)
        self.finish(4 * config.hidden_size)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """``[n, 4 * hidden_size]``: mean and maximum over the tokens, both directions."""
        hidden = self.states(input_ids, attention_mask)
        padding = attention_mask.unsqueeze(-1) == 0
        largest = hidden.masked_fill(padding, torch.finfo(hidden.dtype).min).amax(1)
        return torch.cat([masked_mean(hidden, attention_mask), largest], -1)


class LSTMForTokenClassification(LSTMEncoder, TokenClassifier):
    """The LSTMs, and one linear layer over the states of each token."""

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__(config)
        self.finish(2 * config.hidden_size)


def lstm(
    *,
    vocab_size: int,
    pad_token_id: int,
    window: int,
    hidden_size: int = 256,
    num_layers: int = 1,
    dropout: float = 0.3,
    **labels: Any,
) -> LSTMConfig:
    """The configuration of an LSTM; any window fits it."""
    return LSTMConfig(
        vocab_size=vocab_size,
        pad_token_id=pad_token_id,
        hidden_size=hidden_size,
        num_layers=num_layers,
        dropout=dropout,
        **labels,
    )


def build(key: str, request: BuildRequest) -> Network:
    """See :func:`anysize.models.textual.build_network`."""
    return build_network(lstm, key, request)


register(LSTMConfig, LSTMForSequenceClassification, LSTMForTokenClassification)
