"""What the language models from scratch have in common: options, tokenizer, building."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import AutoModelForCausalLM, PretrainedConfig

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextFacts, TextOptions, TextSettings
from anysize.models import language_tokenizers
from anysize.models.architectures import architecture_of
from anysize.models.given_options import defaults_of, read_options
from anysize.models.network import BuildRequest, Network

TASK = "text-generation"
WINDOW = 256
VOCABULARY = 10_000
_OWN: Mapping[str, Any] = {"vocabulary": VOCABULARY, "tokenizer": "bpe"}


def build_language_model(
    builder: Callable[..., PretrainedConfig], key: str, request: BuildRequest
) -> Network:
    """A fresh language model with a tokenizer trained on the request's texts.

    Args:
        builder: makes the configuration; called with ``vocab_size``, ``end`` (the id of the token
            between documents), ``window`` and the user's options.
        key: the family's name.
        request: texts, window and options; besides the builder's own there are ``tokenizer``
            (``bpe``, ``unigram``, ``word`` or ``byte``) and ``vocabulary``, its most tokens.

    Raises:
        ConfigurationError: another task, no texts, or an option that there is not or that has a
            value of the wrong kind.
    """
    if request.task != TASK:
        raise ConfigurationError(f"model {key!r} is for {TASK}, not for {request.task}")
    allowed = {**_OWN, **defaults_of(builder)}
    options, problems = read_options(key, request.options, allowed)
    if problems:
        raise ConfigurationError(problems)
    facts = request.known(TextFacts)
    if facts.texts is None and facts.tokenizer is None:
        raise ConfigurationError(
            f"model {key!r} trains its tokenizer on the training texts, and there are none"
        )
    window = request.wished(TextOptions).window or WINDOW
    kind = options.pop("tokenizer", _OWN["tokenizer"])
    vocabulary = options.pop("vocabulary", VOCABULARY)
    if facts.tokenizer is not None:
        wrapped: Any = facts.tokenizer
    else:
        assert facts.texts is not None
        tokenizer = language_tokenizers.train(facts.texts, kind, vocabulary)
        wrapped = language_tokenizers.wrapped(tokenizer, window)
    backend = wrapped.backend_tokenizer
    config = builder(
        vocab_size=backend.get_vocab_size(), end=wrapped.eos_token_id, window=window, **options
    )
    config.num_labels = 0
    module = AutoModelForCausalLM.from_config(config)
    module.eval()
    network = Network(
        module=module,
        spec=key,
        settings=TextSettings(window=window),
        tokenizer=backend,
        hub_tokenizer=wrapped,
        licence="Apache-2.0",
    )
    architecture_of(request.task).apply(network)
    return network


def sizes_problems(dropout: float, **sizes: int) -> list[str]:
    """One sentence for each setting that breaks its rule."""
    found = [
        f"{name} must be at least 1, not {value}" for name, value in sizes.items() if value < 1
    ]
    if not 0.0 <= dropout < 1.0:
        found.append(f"dropout must be at least 0 and below 1, not {dropout}")
    return found
