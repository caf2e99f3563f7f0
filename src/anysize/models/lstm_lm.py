"""A language model of LSTMs, trained from scratch."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from anysize.core.errors import ConfigurationError
from anysize.models.first_weights import recurrent
from anysize.models.language import build_language_model, sizes_problems
from anysize.models.network import BuildRequest, Network

PROVIDES = ("lstm-lm",)

State: TypeAlias = tuple[tuple[Tensor, Tensor], ...]
"""Of each layer the hidden and the cell state, ``[1, rows, hidden_size]``."""


class LSTMLanguageModelConfig(PretrainedConfig):
    """Configuration of :class:`LSTMLanguageModel`.

    Args:
        vocab_size: tokens that have an embedding.
        hidden_size: width of embeddings and layers.
        num_hidden_layers: on top of each other.
        dropout: probability with which a unit is set to zero, the same ones at all steps of a
            sequence (Gal and Ghahramani, arXiv:1512.05287).
        **kwargs: what every transformers configuration has.
    """

    model_type = "anysize_lstm_lm"

    def __init__(
        self,
        vocab_size: int = 10_000,
        hidden_size: int = 256,
        num_hidden_layers: int = 2,
        dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.dropout = dropout
        kwargs.setdefault("tie_word_embeddings", True)
        super().__init__(**kwargs)
        problems = sizes_problems(
            dropout,
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_layers=num_hidden_layers,
        )
        if problems:
            raise ConfigurationError(problems)


class SameDropout(nn.Dropout):
    """Sets the same units of a sequence to zero at all of its steps."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Of states ``[rows, length, width]``."""
        if not self.training or not self.p:
            return hidden
        kept = hidden.new_ones(hidden.shape[0], 1, hidden.shape[2])
        return hidden * functional.dropout(kept, self.p)


class LSTMBody(nn.Module):
    """Embeddings and LSTMs (Hochreiter and Schmidhuber 1997), from left to right."""

    def __init__(self, config: LSTMLanguageModelConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, width)
        self.layers = nn.ModuleList(
            nn.LSTM(width, width, batch_first=True) for _ in range(config.num_hidden_layers)
        )
        self.dropout = SameDropout(config.dropout)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_unused: Any
    ) -> BaseModelOutput:
        """States ``[rows, length, width]``; padding comes behind, and states never see it."""
        hidden = self.dropout(self.embeddings(input_ids))
        for layer in self.layers:
            found, _ = layer(hidden)
            hidden = self.dropout(found)
        return BaseModelOutput(last_hidden_state=hidden)

    def read(self, input_ids: Tensor, lengths: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Reads on from a state: all states, and the one after each row's last token.

        Args:
            input_ids: ``[rows, longest]``, padded behind.
            lengths: of the rows, each at least 1, int64 ``[rows]`` on the processor.
            state: None begins anew.
        """
        hidden = self.embeddings(input_ids)
        after = []
        for place, layer in enumerate(self.layers):
            packed = pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)
            found, own = layer(packed, None if state is None else state[place])
            hidden, _ = pad_packed_sequence(found, batch_first=True)
            after.append(own)
        return hidden, tuple(after)


class LSTMLanguageModel(PreTrainedModel):
    """LSTMs, and the embeddings once more as the output layer (Press and Wolf, arXiv:1608.05859).

    Attributes:
        recurrent: that it generates from a state of fixed size instead of a cache that grows.
        states_and_head: that ``base_model`` gives what the output layer reads.
    """

    config_class = LSTMLanguageModelConfig
    base_model_prefix = "body"
    main_input_name = "input_ids"
    input_modalities = "text"
    _tied_weights_keys = {"head.weight": "body.embeddings.weight"}  # noqa: RUF012
    recurrent = True
    states_and_head = True

    def __init__(self, config: LSTMLanguageModelConfig) -> None:
        super().__init__(config)
        self.body = LSTMBody(config)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """The embeddings."""
        return self.body.embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The output layer."""
        return self.head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_unused: Any,
    ) -> CausalLMOutput:
        """Logits of the token after each; with ``labels``, as transformers shifts them, a loss."""
        logits = self.head(self.body(input_ids).last_hidden_state)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(
                logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
            )
        return CausalLMOutput(loss=loss, logits=logits)

    def read(self, input_ids: Tensor, lengths: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Logits after each row's last token, ``[rows, vocabulary]``, and the state there."""
        hidden, after = self.body.read(input_ids, lengths, state)
        last = hidden[torch.arange(len(hidden)), lengths - 1]
        return cast(Tensor, self.head(last)), after

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding | nn.Linear):
            init.uniform_(module.weight, -0.1, 0.1)
        elif isinstance(module, nn.LSTM):
            recurrent(module)


def lstm_lm(
    *,
    vocab_size: int,
    end: int,
    window: int,
    hidden_size: int = 256,
    num_layers: int = 2,
    dropout: float = 0.3,
) -> LSTMLanguageModelConfig:
    """The configuration of a language model of LSTMs; any window fits it."""
    return LSTMLanguageModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        dropout=dropout,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


def build(key: str, request: BuildRequest) -> Network:
    """See :func:`anysize.models.language.build_language_model`."""
    return build_language_model(lstm_lm, key, request)


AutoConfig.register(LSTMLanguageModelConfig.model_type, LSTMLanguageModelConfig, exist_ok=True)
AutoModelForCausalLM.register(LSTMLanguageModelConfig, LSTMLanguageModel, exist_ok=True)
