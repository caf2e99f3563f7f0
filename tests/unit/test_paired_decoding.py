"""Encoder-decoders whose beams share their cache, against transformers and the copied cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.runtimes import decoding, paired_weights
from anysize.runtimes.beam_search import best_of
from anysize.runtimes.paired_decoding import Paired
from anysize.runtimes.paired_weights import PairedWeights
from anysize.runtimes.torch import generation_opening_memory, open_generator

CPU = torch.device("cpu")
FAMILIES = {
    "Marian": "MarianMTModel",
    "Bart": "BartForConditionalGeneration",
    "MBart": "MBartForConditionalGeneration",
    "Pegasus": "PegasusForConditionalGeneration",
    "M2M100": "M2M100ForConditionalGeneration",
}


def model(family: str, **changes: Any) -> Any:
    torch.manual_seed(4)
    config = getattr(transformers, f"{family}Config")(
        **{
            "vocab_size": 210, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2,
            "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48, "max_position_embeddings": 128, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
            "forced_eos_token_id": None, "forced_bos_token_id": None, "init_std": 0.5,
            "scale_embedding": True, **changes,
        }
    )  # fmt: skip
    module = getattr(transformers, FAMILIES[family])(config).eval()
    bias = getattr(module, "final_logits_bias", None)
    if bias is not None:
        bias[0, 2], bias[0, 7] = 3.0, 1.0  # so that sequences end, in different places
    return module


def examples(count: int = 7, **arrays: Any) -> list[Example]:
    random = np.random.default_rng(1)
    found = []
    for ordinal in range(count):
        length = int(random.integers(2, 14))
        ids = np.append(random.integers(3, 210, length), 2).astype(np.int32)
        span = Span(0, length)
        window = Window(record=str(ordinal), index=0, region=span, core=span, last=True)
        given = {"input_ids": ids, **arrays}
        found.append(Example(ordinal=ordinal, window=window, arrays=given, cost=length + 1))
    return found


def network(module: nn.Module) -> Network:
    return Network(module=module, spec="tiny", settings=TextSettings(window=64))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("begin", [(), (2, 9, 30)])
def test_all_families_write_what_transformers_writes(
    family: str, beams: int, begin: tuple[int, ...]
) -> None:
    module = model(family, activation_function="gelu" if family == "MBart" else "relu")
    assert paired_weights.supports(module, CPU)
    generator = open_generator(network(module), "float32")
    given = examples(**({"decoder_input_ids": np.int32(begin)} if begin else {}))
    options = GenerationOptions(most=12, beams=beams)
    found = {one.row: one for one in generator.generate(given, options)}
    for row, example in enumerate(given):
        begun = {"decoder_input_ids": torch.tensor([begin])} if begin else {}
        theirs = module.generate(
            torch.from_numpy(example.arrays["input_ids"][None].astype(np.int64)),
            num_beams=beams, max_new_tokens=12, do_sample=False, **begun,
        )[0, max(len(begin), 1) :].tolist()  # fmt: skip
        wanted = theirs[: theirs.index(2)] if 2 in theirs else theirs
        assert found[row].tokens.tolist() == wanted


@pytest.mark.parametrize("beams", [2, 5])
def test_shared_slots_say_what_copied_caches_say(beams: int) -> None:
    """Beams that take each other's place, sentences that leave, slots that are let go."""
    module = model("Marian")
    arrays = [each.arrays for each in examples(6)]
    ours: Any = Paired(module, PairedWeights(module, torch.float32))
    theirs: Any = decoding.EncoderDecoder(module, CPU, bfloat16=False)
    for batch in (ours, theirs):
        batch.begin(arrays)
        torch.testing.assert_close(batch.logits, ours.logits, atol=1e-4, rtol=1e-4)
        batch.keep([row for row in range(6) for _ in range(beams)])
    random, sentences, slots = np.random.default_rng(2), 6, 0
    for step in range(60):
        if step in (7, 20, 41):
            kept = sorted(random.choice(sentences, sentences - 1, replace=False).tolist())
            rows = [sentence * beams + beam for sentence in kept for beam in range(beams)]
            for batch in (ours, theirs):
                batch.keep(rows)
            sentences -= 1
        origins = (
            random.integers(0, beams, (sentences, beams)) + beams * np.arange(sentences)[:, None]
        )
        tokens = torch.from_numpy(random.integers(3, 210, sentences * beams))
        logits = []
        for batch in (ours, theirs):
            batch.reorder(torch.from_numpy(origins.flatten()))
            logits.append(batch.advance(tokens))
        # Sixty steps add up the rounding of products that are grouped in another way.
        torch.testing.assert_close(*logits, atol=1e-3, rtol=1e-3)
        slots = max(slots, ours._cache.used)
    assert slots < 60 * beams, "beams that nobody comes from were kept"


def test_bfloat16_says_about_the_same() -> None:
    module = model("Marian", init_std=0.1)
    arrays = [each.arrays for each in examples(4)]
    batches: list[Any] = [
        Paired(module, PairedWeights(module, kind)) for kind in (torch.float32, torch.bfloat16)
    ]
    for batch in batches:
        batch.begin(arrays)
    for token in range(3, 9):
        logits = [batch.advance(torch.tensor([token] * 4)) for batch in batches]
        assert float(torch.cosine_similarity(*logits, dim=1).min()) > 0.999


def test_what_differs_from_the_families_is_generated_by_its_own_code() -> None:
    module = model("Bart")
    assert not paired_weights.supports(module, torch.device("meta"))
    module.model.decoder.layers[0].fc1 = nn.Sequential(module.model.decoder.layers[0].fc1)
    assert not paired_weights.supports(module, CPU)


def test_copies_of_weights_are_announced() -> None:
    module = model("Bart")
    decoder = sum(
        each.weight.numel()
        for name, each in module.named_modules()
        if isinstance(each, nn.Linear) and "encoder.layers" not in name
    )
    assert generation_opening_memory(network(module), "float32") == 4 * decoder
    assert generation_opening_memory(network(module), "bfloat16") == 2 * decoder
    llama = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=90, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
            num_attention_heads=4, max_position_embeddings=64,
        )
    )  # fmt: skip
    linear = sum(each.weight.numel() for each in llama.modules() if isinstance(each, nn.Linear))
    assert generation_opening_memory(network(llama), "float32") == 0
    assert generation_opening_memory(network(llama), "bfloat16") == 2 * linear


@pytest.mark.parametrize("vocabulary", [5, 64, 200, 1000])
def test_the_best_continuations_are_the_best_of_all(vocabulary: int) -> None:
    torch.manual_seed(0)
    chances = torch.log_softmax(torch.randn(6, vocabulary), 1)
    scores = torch.randn(2, 3)
    found, beams, tokens = best_of(chances, scores, 8)
    whole = (chances.view(2, 3, vocabulary) + scores[:, :, None]).flatten(1)
    wanted = whole.topk(min(8, 3 * vocabulary))
    torch.testing.assert_close(found, wanted.values)
    assert torch.equal(beams * vocabulary + tokens, wanted.indices)
