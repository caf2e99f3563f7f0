"""A small GPT-2, trained from scratch."""

from __future__ import annotations

from transformers import GPT2Config

from anysize.core.errors import ConfigurationError
from anysize.models.language import build_language_model, sizes_problems
from anysize.models.network import BuildRequest, Network

PROVIDES = ("gpt",)


def gpt(
    *,
    vocab_size: int,
    end: int,
    window: int,
    hidden_size: int = 256,
    num_layers: int = 4,
    num_heads: int = 4,
    dropout: float = 0.2,
) -> GPT2Config:
    """The configuration of a GPT-2 (Radford et al. 2019), input and output embeddings tied.

    Attention probabilities are not dropped: that has no fast way on a processor.

    Raises:
        ConfigurationError: sizes that break their rules; all are named.
    """
    problems = sizes_problems(
        dropout, hidden_size=hidden_size, num_layers=num_layers, num_heads=num_heads
    )
    if not problems and hidden_size % num_heads:
        problems.append(
            f"hidden_size must be a multiple of num_heads ({num_heads}), not {hidden_size}"
        )
    if problems:
        raise ConfigurationError(problems)
    return GPT2Config(
        vocab_size=vocab_size,
        n_positions=window,
        n_embd=hidden_size,
        n_layer=num_layers,
        n_head=num_heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


def build(key: str, request: BuildRequest) -> Network:
    """See :func:`anysize.models.language.build_language_model`."""
    return build_language_model(gpt, key, request)
