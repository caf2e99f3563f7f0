"""Whisper's weights in the layout of Hugging Face, so that transformers can be measured on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from anysize.models.ctranslate2_file import FILE, read_tensors
from anysize.models.whisper import folder
from benchmarks import common

_NAMES = {
    "self_attn": "self_attention", "encoder_attn": "attention",
    "fc1": "ffn/linear_0", "fc2": "ffn/linear_1",
}  # fmt: skip


def written(model: str) -> Path:
    """A folder with the weights of ``whisper-tiny.en`` or ``whisper-base``, made once."""
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    place = common.scratch("whisper") / model
    if (place / "tokenizer_config.json").is_file():
        return place
    origin = folder(model)
    stored = read_tensors(origin / FILE, "")
    width, layers = stored["encoder/conv1/weight"].shape[0], 0
    while f"decoder/layer_{layers}/ffn/linear_0/weight" in stored:
        layers += 1
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(origin / "tokenizer.json", place / "tokenizer.json")
    names = WhisperTokenizer.from_pretrained(place)
    ids = {name: int(names.convert_tokens_to_ids(f"<|{name}|>")) for name in (
        "endoftext", "startoftranscript", "notimestamps")}  # fmt: skip
    network = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(stored["decoder/embeddings/weight"]),
            d_model=width,
            num_mel_bins=stored["encoder/conv1/weight"].shape[1],
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=width // 64,
            decoder_attention_heads=width // 64,
            encoder_ffn_dim=4 * width,
            decoder_ffn_dim=4 * width,
            decoder_start_token_id=ids["startoftranscript"],
            bos_token_id=ids["endoftext"],
            eos_token_id=ids["endoftext"],
            pad_token_id=ids["endoftext"],
        )
    )
    states = {}
    for name in network.state_dict():
        states[name] = torch.from_numpy(np.ascontiguousarray(_tensor(name, stored)))
    network.load_state_dict(states)
    own = json.loads((origin / "config.json").read_text(encoding="utf-8"))
    network.generation_config.suppress_tokens = own["suppress_ids"]
    network.generation_config.begin_suppress_tokens = own["suppress_ids_begin"]
    network.generation_config.no_timestamps_token_id = ids["notimestamps"]
    network.generation_config.is_multilingual = not model.endswith(".en")
    network.save_pretrained(place)
    WhisperFeatureExtractor(feature_size=network.config.num_mel_bins).save_pretrained(place)
    names.save_pretrained(place)
    return place


def _tensor(name: str, stored: dict[str, np.ndarray]) -> np.ndarray:
    """What is called so in transformers."""
    if name == "proj_out.weight":
        return stored["decoder/embeddings/weight"]
    side, _, rest = name.removeprefix("model.").partition(".")
    own, _, kind = rest.rpartition(".")
    if own == "embed_tokens":
        return stored[f"{side}/embeddings/weight"]
    if own == "embed_positions":
        return stored[f"{side}/position_encodings/encodings"]
    if not own.startswith("layers."):
        return stored[f"{side}/{own}/{_kind(own, kind)}"]
    _, place, part = own.split(".", 2)
    begin = f"{side}/layer_{place}"
    if part == "final_layer_norm":
        return stored[f"{begin}/ffn/layer_norm/{_kind(part, kind)}"]
    if part.endswith("_layer_norm"):
        return stored[
            f"{begin}/{_NAMES[part.removesuffix('_layer_norm')]}/layer_norm/{_kind(part, kind)}"
        ]
    if part in _NAMES:
        return stored[f"{begin}/{_NAMES[part]}/{kind}"]
    where, _, projection = part.partition(".")
    return _projection(stored, f"{begin}/{_NAMES[where]}", projection, kind)


def _kind(name: str, kind: str) -> str:
    return {"weight": "gamma", "bias": "beta"}[kind] if "norm" in name else kind


def _projection(
    stored: dict[str, np.ndarray], begin: str, projection: str, kind: str
) -> np.ndarray:
    """One of four projections: of self-attention three lie behind each other, else two."""
    if begin.endswith("self_attention"):
        places = {
            "q_proj": (0, 0, 3),
            "k_proj": (0, 1, 3),
            "v_proj": (0, 2, 3),
            "out_proj": (1, 0, 1),
        }
    else:
        places = {
            "q_proj": (0, 0, 1),
            "k_proj": (1, 0, 2),
            "v_proj": (1, 1, 2),
            "out_proj": (2, 0, 1),
        }
    linear, part, parts = places[projection]
    return np.split(stored[f"{begin}/linear_{linear}/{kind}"], parts)[part]
