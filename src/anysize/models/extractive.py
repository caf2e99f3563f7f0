"""Models that summarise a text with its own sentences, and need no training.

``lead`` takes the first ones, ``tfidf-ranking`` those whose words are the text's own, and
``sentence-ranking`` those whose meaning is nearest to that of the whole text, by the pretrained
encoder of ``minilm``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextSettings
from anysize.models import minilm
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.models.quiet import quiet_transformers
from anysize.models.tokenizers import load_tokenizer

PROVIDES = ("lead", "sentence-ranking", "tfidf-ranking")
READY = "summarization"

_TASK = "summarization"
_WINDOW = 4096
# Tokens that the encoder was trained on.
_ENCODED = 256


class ExtractiveConfig(PretrainedConfig):
    """Configuration of `Extractive`.

    Args:
        extractive: ``lead`` or ``tfidf-ranking``.
        **kwargs: what every configuration of transformers has.
    """

    model_type = "anysize_extractive"

    def __init__(self, extractive: str = "lead", **kwargs: Any) -> None:
        self.extractive = extractive
        super().__init__(**kwargs)


class Extractive(PreTrainedModel):
    """No weights: the sentences are all that is needed."""

    config_class = ExtractiveConfig
    main_input_name = "input_ids"
    own_runtime = True

    def forward(self, *_inputs: Any, **_named: Any) -> Tensor:
        """Not called: the task's step reads the sentences alone."""
        raise NotImplementedError


def build(key: str, request: BuildRequest) -> Network:
    """There is nothing to train.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(
        f"model {key!r} is not trained: use it as it is (anysize predict {key} FILE, "
        f"anysize evaluate {key} DATA)"
    )


def ready(key: str) -> tuple[Network, Card]:
    """The model, to predict and evaluate with.

    Raises:
        MissingExtraError: the package that carries the encoder's weights is not installed.
    """
    network = _encoder(key) if key == "sentence-ranking" else _weightless(key)
    card = Card(
        task=_TASK, labels=(), model=key, settings=network.settings, licence=network.licence
    )
    return network, card


def _weightless(key: str) -> Network:
    module = Extractive(ExtractiveConfig(extractive=key))
    module.config.vocab_size = 2  # for examples made up by the planner
    return Network(
        module=module, spec=key, settings=TextSettings(window=_WINDOW), licence="Apache-2.0"
    )


def _encoder(key: str) -> Network:
    place = minilm.folder()
    with quiet_transformers():
        width = int(BertConfig.from_pretrained(place).hidden_size)
        module = BertForTokenClassification.from_pretrained(
            place, use_safetensors=True, num_labels=width
        )
        hub_tokenizer = AutoTokenizer.from_pretrained(place)
    # The states of the tokens are what is wanted, so the head gives them as they are.
    with torch.no_grad():
        module.classifier.weight.copy_(torch.eye(width))
        nn.init.zeros_(module.classifier.bias)
    hub_tokenizer.backend_tokenizer.no_truncation()
    hub_tokenizer.backend_tokenizer.no_padding()
    module.config.extractive = key
    module.eval()
    return Network(
        module=module,
        spec=key,
        settings=TextSettings(window=_ENCODED),
        tokenizer=load_tokenizer(place),
        licence="Apache-2.0",
        hub_tokenizer=hub_tokenizer,
        per_token=("logits",),
    )
