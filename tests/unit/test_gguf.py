"""GGUF files as models: what is read of them, compared with the models that they were made of."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from tests.gguf_files import SPECIAL, TEXTS, byte_level, write
from torch import nn

import anysize
from anysize.core.errors import BudgetError, BundleError, ConfigurationError
from anysize.core.files import write_bytes
from anysize.models.gguf.files import gguf_file
from anysize.models.gguf.header import read_header
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.planning.budget import weights_size

SIZES: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "head_dim": 16, "rms_norm_eps": 1e-5,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}  # fmt: skip


def module(family: str, vocabulary: int, **more: Any) -> nn.Module:
    torch.manual_seed(7)
    if family == "gpt2":
        config: Any = transformers.GPT2Config(
            vocab_size=vocabulary, n_embd=64, n_layer=2, n_head=4, n_positions=64, n_inner=96
        )
        return transformers.GPT2LMHeadModel(config).eval()
    name = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}[family]
    config = getattr(transformers, f"{name}Config")(vocab_size=vocabulary, **SIZES, **more)
    found: nn.Module = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for each in found.parameters():
            each.uniform_(-0.3, 0.3)  # no norm of ones, no bias of zeros
    return found


def opened(path: Path) -> Network:
    return open_network(str(path))[0]


@pytest.mark.parametrize(
    ("family", "more"),
    [("llama", {"tie_word_embeddings": True}), ("llama", {"rope_parameters": LLAMA3}),
     ("qwen2", {"tie_word_embeddings": False}), ("qwen3", {}), ("gpt2", {})],
)  # fmt: skip
def test_a_file_is_the_model_that_it_was_made_of(
    tmp_path: Path, family: str, more: dict[str, Any]
) -> None:
    tokenizer = byte_level()
    original = module(family, tokenizer.get_vocab_size(), **more)
    network = opened(write(tmp_path / "model.gguf", original, tokenizer, family))
    ids = torch.arange(10, 60)[None]
    with torch.no_grad():
        wanted = original(input_ids=ids).logits
        found: torch.Tensor = network.module(input_ids=ids).logits
    torch.testing.assert_close(found, wanted)
    assert network.module.config.eos_token_id == 2
    for text in (*TEXTS, "a  12 b   3\n\n 4", f"{SPECIAL[3]}hi{SPECIAL[2]}"):
        ours = network.needed_tokenizer()
        assert ours.encode(text).ids == tokenizer.encode(text).ids
        assert ours.decode(ours.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_1", "Q5_0"])
def test_packed_weights_are_unpacked_as_they_were_packed(tmp_path: Path, kind: str) -> None:
    tokenizer = byte_level()
    original = module("qwen2", tokenizer.get_vocab_size())
    network = opened(write(tmp_path / "model.gguf", original, tokenizer, "qwen2", kind))
    encoding = gguf.GGMLQuantizationType[kind]
    found = dict(network.module.named_parameters())
    for name, weight in original.named_parameters():
        value = weight.detach().numpy()
        if value.ndim > 1:
            value = gguf.dequantize(gguf.quantize(value, encoding), encoding)
        np.testing.assert_array_equal(found[name].detach().numpy(), value)


def test_transformers_reads_the_same_from_a_file(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    tokenizer = byte_level()
    original = module("llama", tokenizer.get_vocab_size(), tie_word_embeddings=True)
    path = write(tmp_path / "model.gguf", original, tokenizer, "llama", "Q8_0")
    network = opened(path)
    other = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=path.name, dtype="float32"
    )
    mine, theirs = network.module.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_folder_with_a_file_predicts_and_its_bundle_opens_again(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    tokenizer = byte_level()
    write(place / "any.gguf", module("llama", tokenizer.get_vocab_size()), tokenizer, "llama")
    loaded = anysize.load(place)
    assert loaded.card.task == "text-generation" and loaded.folder is None
    (before,) = loaded(["the cat"], max_new_tokens=8, chat=False, precision="float32")
    data = tmp_path / "data.txt"
    data.write_text("\n".join(TEXTS * 4), encoding="utf-8")
    trained = anysize.train(
        "text-generation", data, model=str(place), out=tmp_path / "run", steps=1, window=16,
        batch=1, learning_rate=1e-9, quiet=True, workers=1, validation=0, test=0,
    )  # fmt: skip
    again = anysize.load(tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert again.network.hub_tokenizer is not None
    assert again.network.hub_tokenizer.chat_template == loaded.network.hub_tokenizer.chat_template  # type: ignore[union-attr]
    for text in TEXTS:
        ids = loaded.network.needed_tokenizer().encode(text).ids
        assert again.network.needed_tokenizer().encode(text).ids == ids
    (after,) = again(["the cat"], max_new_tokens=8, chat=False, precision="float32")
    assert before.prediction == after.prediction  # type: ignore[union-attr]
    assert trained.card.task == "text-generation"


def test_damaged_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    tokenizer = byte_level()
    whole = write(
        tmp_path / "whole.gguf", module("llama", tokenizer.get_vocab_size()), tokenizer, "llama"
    ).read_bytes()
    path = tmp_path / "damaged.gguf"
    random = np.random.default_rng(3)
    header = read_header(tmp_path / "whole.gguf")
    begin = min(each.start for each in header.tensors.values())
    cuts = [0, 3, 4, 12, 23, 24, 40, begin - 1, begin, len(whole) - 1]
    for cut in (*cuts, *random.integers(0, begin, 20).tolist()):
        write_bytes(path, whole[:cut])
        with pytest.raises(BundleError, match=r"damaged\.gguf"):
            opened(path)
    # Bytes of the header changed: refused, or still a model; nothing else.
    for place in random.integers(0, 600, 60).tolist():
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        write_bytes(path, bytes(changed))
        with contextlib.suppress(BundleError):
            opened(path)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    tokenizer = byte_level()
    original = module("llama", tokenizer.get_vocab_size())
    path = write(tmp_path / "a.gguf", original, tokenizer, "llama", **{"rope.scaling.type": "yarn"})
    with pytest.raises(BundleError, match="scales its positions"):
        opened(path)
    other = write(tmp_path / "b.gguf", original, tokenizer, "llama")
    write_bytes(other, other.read_bytes().replace(b"smollm", b"smolll"))
    with pytest.raises(BundleError, match="splits texts by a rule that is not known"):
        opened(other)
    write_bytes(other, other.read_bytes().replace(b"llama", b"mamba"))
    with pytest.raises(BundleError, match="'mamba' is not read from GGUF files; llama, qwen2"):
        opened(other)
    with pytest.raises(BundleError, match="several GGUF files"):
        gguf_file(tmp_path)
    with pytest.raises(BundleError, match=r"gone\.gguf"):
        opened(tmp_path / "gone.gguf")
    good = write(tmp_path / "c.gguf", original, tokenizer, "llama")
    with pytest.raises(ConfigurationError, match="not for image-classification"):
        open_network(str(good), "image-classification")


def test_a_budget_that_the_unpacked_weights_do_not_fit_is_refused_first(tmp_path: Path) -> None:
    tokenizer = byte_level()
    original = module("llama", tokenizer.get_vocab_size(), tie_word_embeddings=True)
    path = write(tmp_path / "model.gguf", original, tokenizer, "llama", "Q8_0")
    size = weights_size(path)
    assert size == 4 * sum(each.numel() for each in original.parameters())
    assert size > 2 * path.stat().st_size
    with pytest.raises(BudgetError, match="is not enough for loading"):
        anysize.load(path, memory="200MiB")


def test_inspecting_a_file_gives_its_card(tmp_path: Path) -> None:
    tokenizer = byte_level()
    path = write(
        tmp_path / "m.gguf", module("llama", tokenizer.get_vocab_size()), tokenizer, "llama"
    )
    found: Any = anysize.inspect(path)
    assert found["task"] == "text-generation" and found["model"] == str(path)
    json.dumps(found)
