"""A small BERT, trained from scratch."""

from __future__ import annotations

from typing import Any

from transformers import BertConfig

from anysize.core.errors import ConfigurationError
from anysize.models.network import BuildRequest, Network
from anysize.models.textual import WINDOW, build_network

PROVIDES = ("transformer",)


def transformer(
    *,
    vocab_size: int,
    pad_token_id: int,
    window: int,
    hidden_size: int = 256,
    num_layers: int = 4,
    num_heads: int = 4,
    intermediate_size: int = 1024,
    dropout: float = 0.1,
    **labels: Any,
) -> BertConfig:
    """The configuration of a BERT (arXiv:1810.04805).

    Raises:
        ConfigurationError: sizes that break their rules; all are named.
    """
    sizes = {
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "intermediate_size": intermediate_size,
    }
    problems = [
        f"{name} must be at least 1, not {value}" for name, value in sizes.items() if value < 1
    ]
    if not 0.0 <= dropout < 1.0:
        problems.append(f"dropout must be at least 0 and below 1, not {dropout}")
    if not problems and hidden_size % num_heads:
        problems.append(
            f"hidden_size must be a multiple of num_heads ({num_heads}), not {hidden_size}"
        )
    if problems:
        raise ConfigurationError(problems)
    return BertConfig(
        vocab_size=vocab_size,
        pad_token_id=pad_token_id,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=intermediate_size,
        max_position_embeddings=max(window, WINDOW),
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **labels,
    )


def build(key: str, request: BuildRequest) -> Network:
    """See :func:`anysize.models.textual.build_network`."""
    return build_network(transformer, key, request)
