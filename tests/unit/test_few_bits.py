"""Decoders with weights in 8 or 4 bits: multiplied as they are stored, or by a copy, the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from anysize.models import quantized_weights as quantized
from anysize.models.altered import replace
from anysize.models.quantized_weights import QuantizedLinear, QuantizedWeight
from anysize.runtimes import decoder_weights, paired_weights
from anysize.runtimes.linears import FewBits, Reordered, copied_bytes, reordered
from anysize.runtimes.paired_decoding import Paired
from anysize.runtimes.ragged_decoding import Ragged

CPU = torch.device("cpu")


def in_few_bits(layer: nn.Linear, group: int) -> QuantizedLinear:
    """A layer in 4 bits by groups of columns; in 8 where there are none."""
    weight = layer.weight.detach()
    if not group:
        return QuantizedLinear(layer, *quantized.quantize_rows(weight), None)
    return QuantizedLinear(layer, *quantized.quantize_groups(weight, group))


@pytest.mark.parametrize(
    ("group", "columns", "kernel"),
    [
        (0, 192, True), (128, 192, True), (32, 96, True),
        # torch has no kernel for so few columns of a scale, nor for such numbers of them.
        (16, 192, False), (32, 80, False), (0, 80, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rows", [1, 4, 9])
def test_layers_in_few_bits_give_what_their_weights_do(
    group: int, columns: int, kernel: bool, rows: int
) -> None:
    torch.manual_seed(0)
    parts = [in_few_bits(nn.Linear(columns, size), group) for size in (64, 32)]
    found = reordered(parts, torch.bfloat16)
    assert isinstance(found, FewBits if kernel else Reordered)
    given, residual = torch.randn(rows, columns).bfloat16(), torch.randn(rows, 96).bfloat16()
    with torch.inference_mode():
        expected = torch.cat([part(given.float()) for part in parts], 1)
        torch.testing.assert_close(found(given).float(), expected, atol=0.02, rtol=0.02)
        whole = expected + residual.float()
        torch.testing.assert_close(found.plus(given, residual).float(), whole, atol=0.03, rtol=0.02)
        silent = reordered(parts, torch.bfloat16, "relu")(given).float()
        torch.testing.assert_close(silent, expected.relu(), atol=0.02, rtol=0.02)


def llama(group: int | None) -> transformers.LlamaForCausalLM:
    """A decoder whose larger layers are in few bits, unless ``group`` is None."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=160, hidden_size=128, intermediate_size=192, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        initializer_range=0.1,
    )  # fmt: skip
    module = transformers.LlamaForCausalLM(config).eval()
    if group is not None:
        quantize(module, group)
    return module


def quantize(module: nn.Module, group: int) -> None:
    """Layers that are large enough, in place."""
    for name, layer in quantized.quantizable(module).items():
        if isinstance(layer, nn.Linear):
            replace(module, name, in_few_bits(layer, group))
        elif isinstance(layer, nn.Embedding):
            rows = quantized.quantize_rows(layer.weight.detach())
            replace(module, name, quantized.QuantizedEmbedding(layer, *rows, None))


@pytest.mark.parametrize("group", [0, 64])
@pytest.mark.parametrize("prompts", [2, 6])
def test_a_decoder_in_few_bits_says_what_its_own_code_does(group: int, prompts: int) -> None:
    module = llama(group)
    assert sum(isinstance(each, QuantizedWeight) for each in module.modules()) > 10
    assert decoder_weights.supports(module, CPU)
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 160, (prompts, 12), generator=draw)
    with torch.inference_mode():
        expected = module(input_ids=ids).logits[:, 6:]
    for dtype, least in ((torch.float32, 0.999999), (torch.bfloat16, 0.999)):
        batch = Ragged(decoder_weights.DecoderWeights(module, dtype), None, None, 1)
        batch.begin([{"input_ids": row[:7].numpy()} for row in ids])
        found = [batch.logits, *(batch.advance(ids[:, place]) for place in range(7, 12))]
        alike = torch.cosine_similarity(torch.stack(found, 1), expected, dim=2)
        assert float(alike.min()) > least


@pytest.mark.parametrize("family", ["Marian", "M2M100"])
@pytest.mark.parametrize("group", [0, 32])
@pytest.mark.parametrize("sentences", [1, 6])
def test_an_encoder_decoder_in_few_bits_says_what_its_own_code_does(
    family: str, group: int, sentences: int
) -> None:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=160, d_model=128, encoder_layers=1, decoder_layers=2, decoder_ffn_dim=192,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=192, pad_token_id=1,
        max_position_embeddings=64, eos_token_id=2, decoder_start_token_id=2, bos_token_id=0,
        init_std=0.1, activation_function="relu",
    )  # fmt: skip
    name = {"Marian": "MarianMTModel", "M2M100": "M2M100ForConditionalGeneration"}[family]
    module = getattr(transformers, name)(config).eval()
    quantize(module, group)
    assert isinstance(module.lm_head, QuantizedLinear)
    assert paired_weights.supports(module, CPU)
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 160, (sentences, 9), generator=draw)
    tokens = torch.randint(3, 160, (sentences, 5), generator=draw)
    start = torch.full((sentences, 1), 2)
    with torch.inference_mode():
        given = torch.cat([start, tokens], 1)
        expected = module(input_ids=ids, decoder_input_ids=given).logits
    for dtype, least in ((torch.float32, 0.99999), (torch.bfloat16, 0.998)):
        batch = Paired(module, paired_weights.PairedWeights(module, dtype))
        batch.begin([{"input_ids": row.numpy().astype(np.int32)} for row in ids])
        found = [batch.logits, *(batch.advance(tokens[:, place]) for place in range(5))]
        alike = torch.cosine_similarity(torch.stack(found, 1), expected, dim=2)
        assert float(alike.min()) > least


def test_large_layers_are_turned_into_another_form_a_part_at_a_time() -> None:
    torch.manual_seed(0)
    layer = in_few_bits(nn.Linear(4096, 400, bias=False), 128)
    rows = torch.randn(5, 4096).bfloat16()
    with torch.inference_mode():
        expected = layer(rows.float())
        for count in (1, 5):
            found = reordered([layer], torch.bfloat16)(rows[:count]).float()
            torch.testing.assert_close(found, expected[:count], atol=0.05, rtol=0.02)


def test_what_few_bits_take_is_announced() -> None:
    whole, few = llama(None), llama(64)
    plain = decoder_weights.copied_bytes(whole, "bfloat16")
    own = decoder_weights.copied_bytes(few, "bfloat16")
    # The copy for many rows, and half a byte and some scales for few.
    assert 1.25 * plain < own < 1.35 * plain
    assert decoder_weights.copied_bytes(few, "float32") == 0
    layer = in_few_bits(nn.Linear(64, 64), 32)
    assert copied_bytes([layer], torch.bfloat16) == 64 * 64 * 2.5 + 64 * 2 * 4
