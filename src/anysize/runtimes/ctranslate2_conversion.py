"""Models of transformers in the form that CTranslate2 loads.

CTranslate2's own converter says which weight goes where. It is given the module in memory, not a
folder: tokens are named by their ids, so that no tokenizer is needed and none is cut short.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.models.network import Network
from anysize.models.quantized_weights import is_quantized
from anysize.models.sequence_ends import end_tokens

FILE = "model.bin"
"""What is there where all the other files of a form are."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of model that can be converted.

    Attributes:
        module: the class of transformers.
        loader: the class of CTranslate2's converter that reads its weights.
        configuration: what that asks the configuration for, and transformers keeps in its code.
    """

    module: str
    loader: str
    configuration: Mapping[str, Any] = field(default_factory=dict)


def _bart_like(*, before: bool, embedding: bool) -> dict[str, bool]:
    """Where layers are normalised: before or after attention, and behind the embedding."""
    return {"normalize_before": before, "normalize_embedding": embedding}


_KINDS: Mapping[str, _Kind] = {
    # Not its Marian loader: that takes the last token away, and starts from zeros.
    "marian": _Kind("MarianMTModel", "BartLoader", _bart_like(before=False, embedding=False)),
    "bart": _Kind(
        "BartForConditionalGeneration", "BartLoader", _bart_like(before=False, embedding=True)
    ),
    "mbart": _Kind(
        "MBartForConditionalGeneration", "BartLoader", _bart_like(before=True, embedding=True)
    ),
    "m2m_100": _Kind("M2M100ForConditionalGeneration", "M2M100Loader"),
    "pegasus": _Kind(
        "PegasusForConditionalGeneration", "BartLoader", _bart_like(before=True, embedding=False)
    ),
    "t5": _Kind("T5ForConditionalGeneration", "T5Loader"),
    "mt5": _Kind("MT5ForConditionalGeneration", "T5Loader"),
    "gpt2": _Kind("GPT2LMHeadModel", "GPT2Loader"),
    "llama": _Kind("LlamaForCausalLM", "LlamaLoader"),
    "mistral": _Kind("MistralForCausalLM", "MistralLoader"),
    "qwen2": _Kind("Qwen2ForCausalLM", "Qwen2Loader"),
}


def convertible(network: Network) -> bool:
    """Whether a network is of a kind that CTranslate2 has, with the layers that it has there."""
    kind = _KINDS.get(str(getattr(network.module.config, "model_type", "")))
    if kind is None or type(network.module).__name__ != kind.module:
        return False
    # Converted, weights in 8 or 4 bits would be stored a second time, in float32.
    return not network.altered and not is_quantized(network.module)


def convert(network: Network, folder: Path, kind: str = "float32") -> None:
    """Writes a network in CTranslate2's form.

    Args:
        network: `convertible`.
        folder: where to; it is there and empty.
        kind: of the weights (``float32``, ``int8``).

    Raises:
        ConfigurationError: it has something that CTranslate2 has not.
    """
    known = _KINDS[str(network.module.config.model_type)]
    loaders: Any = importlib.import_module("ctranslate2.converters.transformers")
    loader: Any = getattr(loaders, known.loader)()
    module = _apart(network.module)
    config: Any = module.config
    for name, value in known.configuration.items():
        setattr(config, name, value)
    # Its T5 loader divides what goes into the last layer where this is set; transformers does not
    # by the same setting any more.
    config.tie_word_embeddings = getattr(config, "scale_decoder_outputs", False)
    try:
        with torch.no_grad():
            spec = loader.get_model_spec(module)
            _describe(spec, network.module)
            spec.validate()
            spec.optimize(quantization=kind)
            spec.save(str(folder))
    except (NotImplementedError, KeyError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{network.spec} cannot be converted for CTranslate2, which lacks a part of it "
            f"({error}): use runtime torch"
        ) from error


def token_names(tokens: Sequence[int]) -> list[str]:
    """Token ids as a converted model calls them."""
    return [str(int(token)) for token in tokens]


def _apart(module: nn.Module) -> nn.Module:
    """The same layers with the same weights, for a loader that changes what it is given."""
    shared = {id(item): item for item in (*module.parameters(), *module.buffers())}
    return copy.deepcopy(module, shared)


def _describe(spec: Any, module: nn.Module) -> None:
    """Vocabulary and special tokens; what a sequence begins with comes with each request."""
    config: Any = module.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
    names = token_names(range(int(config.vocab_size)))
    if hasattr(spec, "register_vocabulary"):
        spec.register_vocabulary(names)
    else:
        spec.register_source_vocabulary(names)
        spec.register_target_vocabulary(names)
        spec.config.decoder_start_token = None
    end = (end_tokens(module) or (0,))[0]
    spec.config.bos_token = spec.config.unk_token = names[0]
    spec.config.eos_token = names[end]
    epsilons = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps")
    found = [float(value) for each in epsilons if (value := getattr(config, each, None))]
    # Those without such a setting have torch's own.
    spec.config.layer_norm_epsilon = found[0] if found else 1e-5
