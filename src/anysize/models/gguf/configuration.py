"""From the metadata of a GGUF file to a configuration of transformers, and its names of weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError
from anysize.models.gguf.header import Header

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ROPE_FACTORS = "rope_freqs.weight"
"""A tensor that stretches the waves of rotary positions, one number each (Llama 3.1 and later)."""

_LLAMA_NAMES = {
    r"^token_embd\.": "model.embed_tokens.",
    r"^output_norm\.": "model.norm.",
    r"^output\.": "lm_head.",
    r"^blk\.(\d+)\.": r"model.layers.\1.",
    r"\.attn_norm\.": ".input_layernorm.",
    r"\.ffn_norm\.": ".post_attention_layernorm.",
    r"\.attn_(q|k)_norm\.": r".self_attn.\1_norm.",
    r"\.attn_(q|k|v)\.": r".self_attn.\1_proj.",
    r"\.attn_output\.": ".self_attn.o_proj.",
    r"\.ffn_(gate|up|down)\.": r".mlp.\1_proj.",
}
_GPT2_NAMES = {
    r"^token_embd\.": "transformer.wte.",
    r"^position_embd\.": "transformer.wpe.",
    r"^output_norm\.": "transformer.ln_f.",
    r"^output\.": "lm_head.",
    r"^blk\.(\d+)\.": r"transformer.h.\1.",
    r"\.attn_norm\.": ".ln_1.",
    r"\.ffn_norm\.": ".ln_2.",
    r"\.attn_qkv\.": ".attn.c_attn.",
    r"\.attn_output\.": ".attn.c_proj.",
    r"\.ffn_up\.": ".mlp.c_fc.",
    r"\.ffn_down\.": ".mlp.c_proj.",
}
# Frequencies of Llama 3.1 and later: of this length they were trained on, and by these factors.
_TRAINED, _STRETCHED = 8192, (8.0, 32.0)


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture that is read.

    Attributes:
        architecture: the class of transformers.
        names: patterns of names in the file, and what they are called in the module.
        config: the entries of the configuration that are the family's own.
        pairs: whether the file turns neighbouring numbers of a head by a token's position, where
            transformers turns its halves.
        extra: names of tensors without a weight of their own in the module.
    """

    architecture: str
    names: Mapping[str, str]
    config: Callable[[Header], dict[str, Any]]
    pairs: bool = False
    extra: tuple[str, ...] = ()

    def name(self, name: str) -> str:
        """What a tensor of the file is called in the module."""
        for pattern, replacement in self.names.items():
            name = re.sub(pattern, replacement, name)
        return name


def family_of(header: Header) -> Family:
    """The family of a file.

    Raises:
        BundleError: it is none of those that are read.
    """
    found = _FAMILIES.get(header.architecture)
    if found is None:
        raise BundleError(
            str(header.path),
            f"its architecture {header.architecture[:40]!r} is not read from GGUF files; "
            f"{', '.join(_FAMILIES)} are: take the same model as a folder with safetensors weights",
        )
    return found


def configuration(header: Header) -> PretrainedConfig:
    """The configuration of a file.

    Raises:
        BundleError: an entry is missing, or asks for what is not done here.
    """
    from transformers import AutoConfig

    family = family_of(header)
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise BundleError(str(header.path), "has no embeddings of tokens (token_embd.weight)")
    _refuse_unread(header)
    layers = header.whole("block_count")
    if layers > len(header.tensors):
        raise BundleError(
            str(header.path), f"asks for {layers} layers, and has {len(header.tensors)} tensors"
        )
    special = {name: header.token(name) for name in ("bos", "eos")}
    padding = header.token("padding")
    entries = {
        "vocab_size": embedding.shape[0],
        "tie_word_embeddings": "output.weight" not in header.tensors,
        **{f"{name}_token_id": value for name, value in special.items()},
        "pad_token_id": special["eos"] if padding is None else padding,
        "architectures": [family.architecture],
        **family.config(header),
    }
    return AutoConfig.for_model(entries.pop("model_type"), **entries)


def ends_of(header: Header) -> list[int]:
    """The tokens that end a text or a turn."""
    found = [header.token(name) for name in ("eos", "eot")]
    return sorted({each for each in found if each is not None})


def _refuse_unread(header: Header) -> None:
    """Refuses what would be computed wrongly without a word."""
    problems = []
    if header.own("expert_count", 0):
        problems.append("mixes experts")
    window = header.own("attention.sliding_window", 0)
    if type(window) is int and 0 < window < header.whole("context_length"):
        problems.append("sees a window of the text alone (attention.sliding_window)")
    scaling = header.own("rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        problems.append(f"scales its positions ({scaling!r:.40})")
    if problems:
        raise BundleError(
            str(header.path),
            f"{' and '.join(problems)}, which is not read from GGUF files: take the same model as "
            "a folder with safetensors weights",
        )


def _shared(header: Header) -> dict[str, Any]:
    """What decoders with rotary positions have in common."""
    heads = header.whole("attention.head_count")
    width = header.whole("embedding_length")
    return {
        "max_position_embeddings": header.whole("context_length"),
        "num_hidden_layers": header.whole("block_count"),
        "intermediate_size": header.whole("feed_forward_length"),
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": header.whole("attention.head_count_kv", heads),
        "head_dim": header.whole("attention.key_length", max(width // heads, 1)),
        "rms_norm_eps": _number(header, "attention.layer_norm_rms_epsilon"),
        "rope_parameters": _rotation(header),
    }


def _number(header: Header, name: str, default: float | None = None) -> float:
    found = header.own(name, default)
    if not isinstance(found, int | float) or not 0 < found < float("inf"):
        raise BundleError(
            str(header.path),
            f"its entry {header.architecture}.{name} must be a number above 0, not {found!r:.60}",
        )
    return float(found)


def _rotation(header: Header) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rope_type": "default", "rope_theta": _number(header, "rope.freq_base", 10_000.0),
    }  # fmt: skip
    if header.own("rope.scaling.type", "none") == "linear":
        found |= {"rope_type": "linear", "factor": _number(header, "rope.scaling.factor")}
    return found


def stretched(header: Header, factors: NDArray[np.float32], config: Any) -> dict[str, Any]:
    """Rotary positions of Llama 3.1 and later, whose file has a factor for each wave.

    Raises:
        BundleError: the factors are none of those that transformers computes.
    """
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    base = dict(config.rope_parameters)
    plain = base["rope_theta"] ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
    for factor in _STRETCHED:
        tried = {
            **base, "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": _TRAINED,
        }  # fmt: skip
        config.rope_parameters = tried
        waves, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        if len(plain) == len(factors) and np.allclose(plain / factors, waves.numpy(), rtol=1e-4):
            return tried
    raise BundleError(
        str(header.path),
        f"scales its positions in an unknown way ({ROPE_FACTORS}): take the same model as a folder "
        "with safetensors weights",
    )


def _llama(header: Header) -> dict[str, Any]:
    shared = _shared(header)
    heads_wide = header.own("rope.dimension_count", shared["head_dim"])
    if heads_wide != shared["head_dim"]:
        raise BundleError(
            str(header.path), "turns a part of each head alone, which is not read from GGUF files"
        )
    biased = "blk.0.attn_q.bias" in header.tensors
    return {"model_type": "llama", "attention_bias": biased, "mlp_bias": False, **shared}


def _qwen2(header: Header) -> dict[str, Any]:
    return {"model_type": "qwen2", "use_sliding_window": False, **_shared(header)}


def _qwen3(header: Header) -> dict[str, Any]:
    biased = "blk.0.attn_q.bias" in header.tensors
    found = {"use_sliding_window": False, "attention_bias": biased}
    return {"model_type": "qwen3", **found, **_shared(header)}


def _gpt2(header: Header) -> dict[str, Any]:
    return {
        "model_type": "gpt2",
        "n_positions": header.whole("context_length"),
        "n_embd": header.whole("embedding_length"),
        "n_layer": header.whole("block_count"),
        "n_head": header.whole("attention.head_count"),
        "n_inner": header.whole("feed_forward_length"),
        "layer_norm_epsilon": _number(header, "attention.layer_norm_epsilon"),
    }


_FAMILIES: Mapping[str, Family] = {
    "llama": Family("LlamaForCausalLM", _LLAMA_NAMES, _llama, True, (ROPE_FACTORS,)),
    "qwen2": Family("Qwen2ForCausalLM", _LLAMA_NAMES, _qwen2),
    "qwen3": Family("Qwen3ForCausalLM", _LLAMA_NAMES, _qwen3),
    "gpt2": Family("GPT2LMHeadModel", _GPT2_NAMES, _gpt2),
}
