"""CTranslate2 generates what torch does, from the same weights."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from anysize import tasks
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.protocols import Generator
from anysize.core.running import is_ragged
from anysize.core.stops import StopStrings
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.planning.candidates import candidates_for
from anysize.runtimes import torch as torch_runtime

pytest.importorskip("ctranslate2")

from anysize.runtimes import ctranslate2 as runtime

VOCABULARY = 120
END = 5
COMMON: dict[str, Any] = {"vocab_size": VOCABULARY, "eos_token_id": END, "pad_token_id": 0}
BART: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "max_position_embeddings": 64, "decoder_start_token_id": 0, "forced_eos_token_id": None,
    **COMMON,
}  # fmt: skip
LLAMA: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, **COMMON,
}  # fmt: skip
T5: dict[str, Any] = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0, **COMMON,
}  # fmt: skip


def marian() -> nn.Module:
    return transformers.MarianMTModel(
        transformers.MarianConfig(scale_embedding=True, activation_function="relu", **BART)
    )


def bart() -> nn.Module:
    return transformers.BartForConditionalGeneration(transformers.BartConfig(**BART))


def mbart() -> nn.Module:
    return transformers.MBartForConditionalGeneration(transformers.MBartConfig(**BART))


def nllb() -> nn.Module:
    return transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(**{**BART, "pad_token_id": 1})
    )


def pegasus() -> nn.Module:
    return transformers.PegasusForConditionalGeneration(transformers.PegasusConfig(**BART))


def t5() -> nn.Module:
    return transformers.T5ForConditionalGeneration(transformers.T5Config(**T5))


def mt5() -> nn.Module:
    return transformers.MT5ForConditionalGeneration(transformers.MT5Config(**T5))


def gpt2() -> nn.Module:
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, **COMMON
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def llama() -> nn.Module:
    """With the rotary positions of SmolLM2, not the usual ones."""
    config = transformers.LlamaConfig(
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        tie_word_embeddings=True, **LLAMA,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def mistral() -> nn.Module:
    return transformers.MistralForCausalLM(transformers.MistralConfig(**LLAMA))


def qwen2() -> nn.Module:
    return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**LLAMA))


MODELS: list[Callable[[], nn.Module]] = [
    marian, bart, mbart, nllb, pegasus, t5, mt5, gpt2, llama, mistral, qwen2,
]  # fmt: skip


def network(make: Callable[[], nn.Module]) -> Network:
    torch.manual_seed(3)
    module = make().eval()
    with torch.no_grad():
        # Far from uniform, so that rounding decides nothing.
        for name, each in module.named_parameters():
            if each.dim() > 1 and "bias" not in name:
                each.mul_(4.0)
    return Network(module=module, spec=make.__name__, settings=TextSettings(window=32))


def prompts(count: int = 25, *, longest: int = 24, **arrays: Any) -> list[Example]:
    random = np.random.default_rng(5)
    found = []
    for ordinal in range(count):
        length = int(random.integers(1, longest))
        span = Span(0, length)
        window = Window(record=f"r{ordinal}", index=0, region=span, core=span, last=True)
        ids = np.append(random.integers(6, VOCABULARY, length - 1), END).astype(np.int32)
        given = {"input_ids": ids, **arrays}
        found.append(Example(ordinal=ordinal, window=window, arrays=given, cost=length))
    return found


def grown(
    generator: Generator, examples: Sequence[Example], options: GenerationOptions, **more: Any
) -> list[Growth]:
    found = [one for one in generator.generate(examples, options, **more)
             if one.ending or one.problem]  # fmt: skip
    assert sorted(one.row for one in found) == list(range(len(examples)))
    return sorted(found, key=lambda one: one.row)


def alike(ours: Sequence[Growth], theirs: Sequence[Growth]) -> list[bool]:
    return [
        one.tokens.tolist() == two.tokens.tolist() and one.ending == two.ending
        for one, two in zip(ours, theirs, strict=True)
    ]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_it_generates_what_torch_does(make: Callable[[], nn.Module]) -> None:
    net = network(make)
    before = copy.deepcopy(net.module.config.to_dict())
    options = GenerationOptions(most=14)
    examples = prompts(100)
    limits = [4 + place % 11 for place in range(len(examples))]
    with_ours, with_torch = (
        grown(opened(net), examples, options, limits=limits)
        for opened in (lambda net: runtime.open_generator(net, "float32"),
                       lambda net: torch_runtime.open_generator(net, "float32"))
    )  # fmt: skip
    same = alike(with_ours, with_torch)
    assert sum(same) >= 99
    for one, two, equal in zip(with_ours, with_torch, same, strict=True):
        if equal:
            assert one.score == pytest.approx(two.score, abs=2e-3)
    assert len({len(one.tokens) for one in with_ours}) > 3
    # The loaders of the converter change what they are given; that was a copy.
    assert net.module.config.to_dict() == before
    assert len(list(net.module.parameters())) == len(list(network(make).module.parameters()))


@pytest.mark.parametrize(
    ("beams", "penalty", "no_repeat", "begin"),
    [(4, 1.0, 0, ()), (3, 0.6, 0, ()), (4, 1.0, 2, ()), (1, 1.0, 2, ()), (3, 1.0, 0, (0, 7))],
)
def test_beam_search_is_that_of_torch(
    beams: int, penalty: float, no_repeat: int, begin: tuple[int, ...]
) -> None:
    net = network(marian)
    arrays = {"decoder_input_ids": np.array(begin, np.int32)} if begin else {}
    examples = prompts(60, **arrays)
    options = GenerationOptions(most=12, beams=beams, length_penalty=penalty, no_repeat=no_repeat)
    ours = grown(runtime.open_generator(net, "float32"), examples, options)
    theirs = grown(torch_runtime.open_generator(net, "float32"), examples, options)
    same = alike(ours, theirs)
    assert sum(same) >= 54
    for one, two, equal in zip(ours, theirs, same, strict=True):
        # What is forbidden has no part in its probabilities.
        if equal and not no_repeat:
            assert one.score == pytest.approx(two.score, abs=5e-3)


def test_forbidden_tokens_are_never_taken() -> None:
    net = network(marian)
    examples, options = prompts(40), GenerationOptions(most=8)
    free = grown(runtime.open_generator(net, "float32"), examples, options)
    often = max(set(taken := [t for one in free for t in one.tokens.tolist()]), key=taken.count)
    net.module.generation_config.bad_words_ids = [[often]]
    ours = grown(runtime.open_generator(net, "float32"), examples, options)
    theirs = grown(torch_runtime.open_generator(net, "float32"), examples, options)
    assert not any(often in one.tokens for one in ours)
    assert all(alike(ours, theirs))


@pytest.mark.parametrize("make", [gpt2, llama, qwen2], ids=lambda make: make.__name__)
def test_texts_cost_what_they_cost_in_torch(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    import ctranslate2

    from anysize.modalities.texts.causal import LOSSES, CausalText
    from anysize.runtimes.ctranslate2_conversion import convert
    from anysize.runtimes.ctranslate2_scoring import CTranslate2Scorer

    net = network(make)
    net.outputs = (LOSSES,)
    convert(net, tmp_path)
    random = np.random.default_rng(9)
    examples = []
    for example in prompts(9):
        labels = random.integers(0, VOCABULARY, len(example.arrays["input_ids"])).astype(np.int32)
        labels[: len(labels) // 3] = -100
        examples.append(replace(example, arrays={**example.arrays, "labels": labels}))
    scorer = CTranslate2Scorer("float32", ctranslate2.Generator(str(tmp_path)))
    found = scorer.run(examples).arrays[LOSSES]
    with torch.inference_mode():
        wanted = CausalText(net, torch.device("cpu"))(examples)[LOSSES].split(
            [len(example.arrays["input_ids"]) for example in examples]
        )
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-3)
    # Only what has no weights is scored here.
    assert runtime.precisions(net) == ()
    with pytest.raises(ConfigurationError, match="use runtime torch"):
        runtime.open_runtime(net, "float32")


def test_nothing_is_cut_at_1024_tokens() -> None:
    def long_t5() -> nn.Module:
        return t5()

    net = network(long_t5)
    examples = prompts(3)
    random = np.random.default_rng(1)
    ids = random.integers(6, VOCABULARY, 1200).astype(np.int32)
    # What is behind the 1,024th token decides.
    texts = [ids, np.concatenate([ids[:1100], ids[:100][::-1]]).astype(np.int32), ids[:1024]]
    examples = [
        replace(example, arrays={"input_ids": text})
        for example, text in zip(examples, texts, strict=True)
    ]
    options = GenerationOptions(most=8)
    ours = grown(runtime.open_generator(net, "float32"), examples, options)
    theirs = grown(torch_runtime.open_generator(net, "float32"), examples, options)
    assert all(alike(ours, theirs))
    assert len({round(one.score, 3) for one in ours}) == 3


def test_end_tokens_and_shortest_length_are_kept() -> None:
    net = network(marian)
    examples = prompts(40)
    torch_made = torch_runtime.open_generator(net, "float32")
    common = [
        token for one in grown(torch_made, examples, GenerationOptions(most=6))
        for token in one.tokens.tolist()
    ]  # fmt: skip
    ends = tuple(sorted({max(set(common), key=common.count), common[3], common[11]}))
    for least in (0, 3):
        options = GenerationOptions(most=9, least=least, end=ends)
        ours = grown(runtime.open_generator(net, "float32"), examples, options)
        assert all(alike(ours, grown(torch_made, examples, options)))
        assert least or any(one.ending == "end" for one in ours)
        assert all(len(one.tokens) >= least for one in ours)


def test_a_bounded_memory_and_unfinished_sequences_go_through_torch() -> None:
    net = network(llama)
    examples = prompts(6, longest=40)
    options = GenerationOptions(most=30, least=30, context=24)
    ours = grown(runtime.open_generator(net, "float32"), examples, options)
    theirs = grown(torch_runtime.open_generator(net, "float32"), examples, options)
    assert all(alike(ours, theirs))
    assert [one.lost for one in ours] == [one.lost for one in theirs]
    assert any(one.lost for one in ours)
    options = GenerationOptions(most=5, least=5)
    parts = list(runtime.open_generator(net, "float32").generate(examples, options, partial=True))
    assert len(parts) > len(examples)
    assert sum(one.ending is not None for one in parts) == len(examples)


def test_a_prompt_without_room_fails_alone() -> None:
    net = network(gpt2)
    examples = prompts(3)
    long = np.full(70, 9, np.int32)
    examples[1] = replace(examples[1], arrays={"input_ids": long})
    found = grown(runtime.open_generator(net, "float32"), examples, GenerationOptions(most=3))
    assert [one.problem is None for one in found] == [True, False, True]
    assert "64 positions" in str(found[1].problem)


def test_weights_that_are_no_numbers_are_a_problem_of_each_row(tmp_path: Path) -> None:
    net = network(marian)
    generator = runtime.open_generator(net, "float32", folder=bundle(net, tmp_path))
    generator.close()
    with torch.no_grad():
        net.module.get_output_embeddings().weight[7] = torch.nan
    with pytest.raises(ConfigurationError, match="computes something else"):
        runtime.open_generator(net, "float32")


def test_what_it_cannot_do_is_refused_by_name() -> None:
    net = network(llama)
    options = GenerationOptions(
        temperature=0.7, stop=((7, 8),), stop_strings=StopStrings(("x",), lambda _ids: "")
    )
    with pytest.raises(ConfigurationError) as refusal:
        list(runtime.open_generator(net, "float32").generate(prompts(1), options))
    for word in ("temperature", "no stop", "no stop strings"):
        assert word in str(refusal.value)
    with pytest.raises(ConfigurationError, match="runtime ctranslate2 has no stop"):
        candidates_for(
            net, "ctranslate2", "auto", None, needs="generate",
            options=GenerationOptions(stop=((7,),)),
        )  # fmt: skip


def test_the_planner_has_it_where_it_can_and_may() -> None:
    net = network(llama)

    def names(options: GenerationOptions) -> list[str]:
        found = candidates_for(net, "auto", "float32", None, needs="generate", options=options)
        return [each.name for each in found]

    assert names(GenerationOptions()) == ["torch", "ctranslate2"]
    assert names(GenerationOptions(temperature=1.0)) == ["torch"]
    other = network(bloom)
    found = candidates_for(other, "auto", "float32", None, needs="generate")
    assert [each.name for each in found] == ["torch"]
    with pytest.raises(ConfigurationError, match="no model of this kind"):
        runtime.open_generator(other, "float32")


def bloom() -> nn.Module:
    config = transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=4, **COMMON)
    return transformers.BloomForCausalLM(config)


def bundle(net: Network, place: Path) -> Path:
    net.module.save_pretrained(place)
    return place


def test_it_is_converted_once_and_again_after_a_change(tmp_path: Path) -> None:
    net, examples = network(marian), prompts(8)
    folder, options = bundle(net, tmp_path), GenerationOptions(most=6)
    first = grown(runtime.open_generator(net, "float32", folder=folder), examples, options)
    kept = folder / "runtimes" / "ctranslate2"
    made = (kept / "model.bin").stat()
    assert not [each for each in kept.iterdir() if each.is_dir()]
    again = grown(runtime.open_generator(net, "float32", folder=folder), examples, options)
    assert all(alike(first, again))
    assert (kept / "model.bin").stat().st_ino == made.st_ino
    with torch.no_grad():
        net.module.get_input_embeddings().weight.mul_(-1.0)
    bundle(net, folder)
    changed = grown(runtime.open_generator(net, "float32", folder=folder), examples, options)
    assert (kept / "model.bin").stat().st_ino != made.st_ino
    assert not all(alike(first, changed))


def test_a_damaged_form_is_named(tmp_path: Path) -> None:
    net = network(marian)
    folder = bundle(net, tmp_path)
    runtime.open_generator(net, "float32", folder=folder).close()
    form = folder / "runtimes" / "ctranslate2" / "model.bin"
    form.write_bytes(form.read_bytes()[:1000])
    with pytest.raises(BundleError, match=r"model\.bin.*remove this"):
        runtime.open_generator(net, "float32", folder=folder)


def test_a_model_that_it_would_compute_otherwise_is_not_taken() -> None:
    net = network(gpt2)
    # The converter does not know this setting.
    net.module.config.scale_attn_by_inverse_layer_idx = True
    for layer in net.module.transformer.h:  # type: ignore[union-attr]
        layer.attn.scale_attn_by_inverse_layer_idx = True
        layer.attn.scaling = layer.attn.scaling / (layer.attn.layer_idx + 1)
    with pytest.raises(ConfigurationError, match="computes something else"):
        runtime.open_generator(net, "float32")


def test_a_rehearsal_takes_what_the_cache_will(tmp_path: Path) -> None:
    for make in (marian, llama, t5):
        net = network(make)
        ours, theirs = (
            module.open_generator(net, "float32") for module in (runtime, torch_runtime)
        )
        assert ours.token_bytes == theirs.token_bytes
        seconds = ours.rehearse(prompts(4), GenerationOptions(most=9), limits=[9, 3, 5, 7])
        assert seconds > 0


def test_an_encoder_decoder_gets_sentences_of_any_length_and_sorts_them_itself() -> None:
    # A decoder's prompts go in groups of one length.
    for make, wanted in ((marian, True), (llama, False)):
        assert is_ragged(runtime.open_generator(network(make), "float32")) is wanted


def test_streams_share_one_model() -> None:
    from concurrent.futures import ThreadPoolExecutor

    net, options = network(marian), GenerationOptions(most=10)
    generator = runtime.open_generator(net, "float32", threads=2, streams=2)
    assert generator.streams == 2
    every = [prompts(30), prompts(20, longest=12)]
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda each: grown(generator, each, options), every))
    alone = runtime.open_generator(net, "float32", threads=1)
    for found, examples in zip(beside, every, strict=True):
        assert all(alike(found, grown(alone, examples, options)))


def test_the_form_says_what_it_is(tmp_path: Path) -> None:
    net = network(nllb)
    folder = bundle(net, tmp_path)
    runtime.open_generator(net, "float32", folder=folder).close()
    kept = folder / "runtimes" / "ctranslate2"
    names = json.loads((kept / "shared_vocabulary.json").read_text())
    assert names == [str(token) for token in range(VOCABULARY)]


def _translator(place: Path) -> tuple[Network, Path]:
    """A bundle of random weights that are far from uniform."""
    from anysize.modalities.texts.settings import TextFacts
    from anysize.models import bundle as bundles
    from anysize.models.network import BuildRequest
    from anysize.models.transformer_mt import build

    texts = ["The small dog runs over the green hill.", "Der kleine Hund rennt."] * 3
    sizes = {"hidden_size": "32", "num_heads": "2", "intermediate_size": "256", "vocabulary": "300"}
    request = BuildRequest(
        task="translation", labels=(), facts=TextFacts(texts=lambda: iter(texts)), options=sizes
    )
    torch.manual_seed(4)
    net = build("transformer-mt", request)
    with torch.no_grad():
        for name, each in net.module.named_parameters():
            if each.dim() > 1 and "positions" not in name:
                each.mul_(4.0)
    card = bundles.Card(
        task="translation", labels=(), model="transformer-mt", settings=net.settings
    )
    return net, bundles.save(place, net, card)


def test_a_bundle_in_eight_bits_translates(tmp_path: Path) -> None:
    from anysize.compression.chain import load_method
    from anysize.models import bundle as bundles
    from anysize.models.spec import open_network

    (net, source), out = _translator(tmp_path / "whole"), tmp_path / "small"
    card = bundles.read_card(source)
    method = load_method("int8-ctranslate2")
    assert method.problems(net, card) == []
    assert "token by token" in str(load_method("int8").problems(net, card))
    assert "token by token" in str(load_method("int8-dynamic").problems(net, card))
    method.apply(source, out, method.options(), None)  # type: ignore[arg-type]
    small, kept = open_network(str(out))
    assert kept.form is not None
    assert method.problems(small, kept)
    (candidate,) = candidates_for(small, "auto", "auto", out, needs="generate")
    assert (candidate.name, candidate.precision) == ("ctranslate2", "int8")
    assert not list(out.glob("*.safetensors"))
    sizes_of = [sum(each.stat().st_size for each in bundles.files_of(at)) for at in (source, out)]
    assert sizes_of[1] < 0.6 * sizes_of[0]
    ids = [np.append(random, net.module.config.eos_token_id).astype(np.int32)
           for random in np.random.default_rng(2).integers(3, 40, (30, 9))]  # fmt: skip
    examples = [
        replace(example, arrays={"input_ids": each})
        for example, each in zip(prompts(30), ids, strict=True)
    ]
    options = GenerationOptions(most=1)
    ours = grown(candidate.open(), examples, options)  # type: ignore[arg-type]
    theirs = grown(torch_runtime.open_generator(net, "float32"), examples, options)
    assert sum(alike(ours, theirs)) >= 24
    with pytest.raises(ConfigurationError, match="temperature"):
        candidates_for(
            small, "auto", "auto", out, needs="generate",
            options=GenerationOptions(temperature=1.0),
        )  # fmt: skip


def test_sinusoidal_positions_are_there_in_fewer_bits(tmp_path: Path) -> None:
    from anysize.compression.chain import load_method
    from anysize.compression.protocols import Context
    from anysize.models.spec import open_network

    net, source = _translator(tmp_path / "whole")
    context = Context(task=tasks.load("translation"), original=source, memory=4 << 30)
    ids = torch.arange(6, 26)[None]
    given = {"input_ids": ids, "decoder_input_ids": ids[:, :9]}
    with torch.inference_mode():
        wanted = torch.log_softmax(net.module.eval()(**given).logits, -1)
    places = dict(net.module.named_parameters())["model.encoder.embed_positions.weight"]
    for key, allowed in (("int8-weights", 0.2), ("int4-weights", 1.0)):
        method = load_method(key)
        method.apply(source, tmp_path / key, method.options(), context)
        small, _ = open_network(str(tmp_path / key))
        with torch.inference_mode():
            found = torch.log_softmax(small.module.eval()(**given).logits, -1)
        assert torch.equal(
            small.module.get_parameter("model.encoder.embed_positions.weight"), places
        )
        assert (found - wanted).abs().mean() < allowed
        assert runtime.generation_precisions(small) == ()
