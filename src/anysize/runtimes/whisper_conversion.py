"""Models of Whisper of transformers in the form that CTranslate2 loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from anysize.core.errors import ConfigurationError
from anysize.models.network import Network
from anysize.models.quantized_weights import is_quantized
from anysize.models.whisper_tokens import WhisperTokens

_CLASS = "WhisperForConditionalGeneration"
_STEPS = 1501
"""Times from 0.00 to 30.00."""


def convertible(network: Network) -> bool:
    """Whether a network is a model of Whisper with the layers that it was published with."""
    if type(network.module).__name__ != _CLASS or network.altered:
        return False
    return not is_quantized(network.module)


def convert(network: Network, folder: Path) -> None:
    """Writes a network in CTranslate2's form.

    Args:
        network: `convertible`.
        folder: where to; it is there and empty.

    Raises:
        ConfigurationError: it has something that CTranslate2 has not.
    """
    from ctranslate2.converters.transformers import WhisperLoader

    tokens = WhisperTokens.of_network(network)
    generation: Any = getattr(network.module, "generation_config", None)
    try:
        with torch.no_grad():
            spec = WhisperLoader().get_model_spec(network.module)
            spec.register_vocabulary(_vocabulary(network, tokens))
            config = spec.config
            config.suppress_ids = list(getattr(generation, "suppress_tokens", None) or ())
            begin = getattr(generation, "begin_suppress_tokens", None)
            config.suppress_ids_begin = list(begin or (tokens.end,))
            config.lang_ids = list(tokens.languages.values())
            config.alignment_heads = [
                list(each) for each in alignment_heads(generation, network.module.config)
            ]
            spec.validate()
            spec.optimize(quantization="float32")
            spec.save(str(folder))
    except (NotImplementedError, KeyError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{network.spec} cannot be converted for CTranslate2, which lacks a part of it "
            f"({error}): use runtime torch"
        ) from error


def alignment_heads(generation: Any, config: Any) -> list[tuple[int, int]]:
    """Layer and head of those whose attention says when a token is said.

    Without a list of them all heads of the upper half of the decoder, as Whisper does it.
    """
    given = getattr(generation, "alignment_heads", None)
    if given:
        return [(int(layer), int(head)) for layer, head in given]
    layers, heads = int(config.decoder_layers), int(config.decoder_attention_heads)
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def _vocabulary(network: Network, tokens: WhisperTokens) -> list[str]:
    """Every token by its name; those of times, which older tokenizers do not have, by theirs."""
    found = []
    for token in range(int(network.module.config.vocab_size)):
        name = tokens.tokenizer.id_to_token(token)
        place = token - tokens.first_time
        if name is None:
            name = f"<|{place * 0.02:.2f}|>" if 0 <= place < _STEPS else f"<|unused{token}|>"
        found.append(name)
    return found
