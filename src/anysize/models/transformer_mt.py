"""A small encoder-decoder for translation, trained from scratch.

It is transformers' Marian (Junczys-Dowmunt et al. 2018, arXiv:1804.00344): the transformer of
Vaswani et al. (2017, arXiv:1706.03762) with sinusoidal positions, one embedding for the source, the
target and the output, and a vocabulary that both languages share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from transformers import (
    GenerationConfig,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
)

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextFacts, TextOptions, TextSettings
from anysize.models.architectures import architecture_of
from anysize.models.classifier import name_classes
from anysize.models.given_options import read_options
from anysize.models.network import BuildRequest, Network
from anysize.models.subwords import END, PADDING, SPECIALS, Kind, train_subwords, wrap_subwords

PROVIDES = ("transformer-mt",)

_SEQUENCES = "AutoModelForSeq2SeqLM"
_WINDOW = 512
_NUMBERS: Mapping[str, int | float] = {
    "vocabulary": 8000,
    "hidden_size": 256,
    "num_layers": 4,
    "decoder_layers": 4,
    "num_heads": 4,
    "intermediate_size": 1024,
    "dropout": 0.3,
}


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network, with a vocabulary that is learned from the sources and targets of the data.

    A student takes over its teacher's vocabulary.

    Its options are ``vocabulary`` (the most tokens), ``subwords`` (``bpe`` or ``unigram``),
    ``hidden_size``, ``num_layers`` (of the encoder), ``decoder_layers``, ``num_heads``,
    ``intermediate_size`` and ``dropout``.

    Raises:
        ConfigurationError: a task that it is not for, no texts, or options that break their rules.
    """
    if architecture_of(request.task).auto != _SEQUENCES:
        raise ConfigurationError(f"model {key!r} is for translation, not for {request.task}")
    numbers, subwords = _options(key, request.options)
    facts = request.known(TextFacts)
    if facts.texts is None:
        raise ConfigurationError(
            f"model {key!r} learns its vocabulary from the training texts, and there are none: "
            "take a pretrained model (a folder or a hub id) instead"
        )
    settings = TextSettings(window=request.wished(TextOptions).window or _WINDOW)
    if facts.tokenizer is not None:
        wrapped = _taken_over(key, facts.tokenizer)
    else:
        learned = train_subwords(facts.texts(), int(numbers["vocabulary"]), kind=subwords)
        wrapped = wrap_subwords(learned, window=settings.window)
    tokenizer = wrapped.backend_tokenizer
    config = _configuration(numbers, tokenizer.get_vocab_size(), settings.window)
    name_classes(config, request.labels)
    module = cast(Any, MarianMTModel)(config)
    module.generation_config = GenerationConfig(
        pad_token_id=config.pad_token_id,
        eos_token_id=config.eos_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        max_length=settings.window,
        bad_words_ids=[[config.pad_token_id]],
    )
    module.eval()
    network = Network(
        module=module,
        spec=key,
        settings=settings,
        tokenizer=tokenizer,
        hub_tokenizer=wrapped,
        licence="Apache-2.0",
    )
    architecture_of(request.task).apply(network)
    return network


def half_as_wide(config: Any) -> dict[str, str]:
    """Options of a network like one of a configuration, with half its width."""
    heads = int(config.encoder_attention_heads)
    unit = 2 * heads  # of which the width must be a multiple
    return {
        "hidden_size": str(max(int(config.d_model) // 2 // unit, 1) * unit),
        "intermediate_size": str(max(int(config.encoder_ffn_dim) // 2, 1)),
        "num_layers": str(config.encoder_layers),
        "decoder_layers": str(config.decoder_layers),
        "num_heads": str(heads),
    }


def _taken_over(key: str, tokenizer: Any) -> PreTrainedTokenizerFast:
    """A teacher's tokenizer, where it is one of this family.

    Raises:
        ConfigurationError: its special tokens are others.
    """
    numbers = [tokenizer.convert_tokens_to_ids(each) for each in SPECIALS]
    if numbers != list(range(len(SPECIALS))):
        raise ConfigurationError(
            f"model {key!r} shares the vocabulary of teachers that are {key!r} themselves: take a "
            "smaller model of the teacher's own family (a folder or a hub id)"
        )
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return cast(PreTrainedTokenizerFast, tokenizer)


def _configuration(
    numbers: Mapping[str, int | float], vocabulary: int, window: int
) -> MarianConfig:
    dropout, width = float(numbers["dropout"]), int(numbers["hidden_size"])
    return MarianConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=int(numbers["num_layers"]),
        decoder_layers=int(numbers["decoder_layers"]),
        encoder_attention_heads=int(numbers["num_heads"]),
        decoder_attention_heads=int(numbers["num_heads"]),
        encoder_ffn_dim=int(numbers["intermediate_size"]),
        decoder_ffn_dim=int(numbers["intermediate_size"]),
        dropout=dropout,
        # As fairseq has it for small data; dropout of attention would also take the slower kernel.
        attention_dropout=0.0,
        activation_dropout=0.0,
        activation_function="relu",
        scale_embedding=True,
        init_std=width**-0.5 / 2,
        max_position_embeddings=max(window, _WINDOW),
        pad_token_id=SPECIALS.index(PADDING),
        eos_token_id=SPECIALS.index(END),
        bos_token_id=None,
        forced_eos_token_id=None,
        decoder_start_token_id=SPECIALS.index(PADDING),
    )


def _options(key: str, given: Mapping[str, str]) -> tuple[dict[str, Any], Kind]:
    """The options as numbers, and the kind of subwords."""
    defaults = {**_NUMBERS, "subwords": "bpe"}
    found, problems = read_options(key, given, defaults)
    values = {**defaults, **found}
    kind = values.pop("subwords")
    if kind not in ("bpe", "unigram"):
        problems.append(f"subwords must be bpe or unigram, not {kind!r}")
    problems += [
        f"{name} must be at least 1, not {value}"
        for name, value in values.items()
        if name != "dropout" and value < 1
    ]
    if not 0 <= values["dropout"] < 1:
        problems.append(f"dropout must be at least 0 and below 1, not {values['dropout']}")
    if not problems and values["hidden_size"] % (2 * values["num_heads"]):
        problems.append(
            f"hidden_size must be a multiple of twice num_heads ({values['num_heads']}), not "
            f"{values['hidden_size']}"
        )
    if problems:
        raise ConfigurationError(problems)
    return values, cast(Kind, kind)
