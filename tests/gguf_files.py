"""GGUF files of small models, written as llama.cpp's converter writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn

TEXTS = ["the cat sat on the mat in 1984", "a dog saw 12 cats", "猫 看 狗", "été   naïve\tcafé"] * 5
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<unk>", "<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


def byte_level(size: int = 400) -> Tokenizer:
    """A tokenizer as SmolLM's: digits apart, then bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )  # fmt: skip
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def write(
    path: Path,
    module: nn.Module,
    tokenizer: Tokenizer,
    architecture: str,
    kind: str = "F32",
    **more: Any,
) -> Path:
    """Writes a model of transformers.

    Args:
        path: of the file.
        module: a decoder of one of the families that are read.
        tokenizer: from `byte_level`.
        architecture: llama.cpp's name of the family.
        kind: encoding of the matrices.
        more: further entries of the metadata (underscores for dots of the architecture's own).
    """
    config: Any = module.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or config.n_inner)
    if architecture == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        writer.add_key_length(config.head_dim)
        if architecture == "llama":
            writer.add_rope_dimension_count(config.head_dim)
    for name, value in more.items():
        add = writer.add_string if isinstance(value, str) else writer.add_float32
        add(f"{architecture}.{name}", value)
    _add_tokenizer(writer, tokenizer)
    names = gguf.get_tensor_name_map(
        {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[architecture],
        config.num_hidden_layers,
    )
    for name, weight in module.named_parameters():
        stem, suffix = name.rsplit(".", 1)
        value = _converted(name, weight.detach().float(), config, architecture)
        _add(writer, f"{names.get_name(stem)}.{suffix}", value, kind)
    if (
        more.get("rope.scaling.type") is None
        and getattr(config, "rope_parameters", {}).get("rope_type") == "llama3"
    ):
        _add(writer, "rope_freqs.weight", _factors(config), "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    import json

    entries = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(entries["vocab"], key=entries["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in entries["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _converted(name: str, weight: torch.Tensor, config: Any, architecture: str) -> Any:
    """What llama.cpp's converter makes of a weight (``LlamaModel.permute``, ``GPT2Model``)."""
    value = weight.numpy()
    if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
        heads = config.num_attention_heads if ".q_" in name else config.num_key_value_heads
        halves = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
        return halves.swapaxes(1, 2).reshape(value.shape)
    if architecture == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return np.ascontiguousarray(value.T)
    return value


def _factors(config: Any) -> Any:
    """What the converter stores of Llama 3.1's positions."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    waves, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    base = config.rope_parameters["rope_theta"]
    plain = base ** -(np.arange(0, config.head_dim, 2) / config.head_dim)
    return (plain / waves.numpy()).astype(np.float32)


def _add(writer: gguf.GGUFWriter, name: str, value: Any, kind: str) -> None:
    encoding = gguf.GGMLQuantizationType[kind if value.ndim > 1 else "F32"]
    packed = gguf.quantize(value, encoding)
    writer.add_tensor(name, packed, raw_dtype=encoding)
