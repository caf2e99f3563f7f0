"""Language models from scratch: tokenizers, packed execution, losses, generation from a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions
from anysize.core.stops import StopStrings
from anysize.core.windows import Span, Window
from anysize.modalities.texts.causal import CausalText
from anysize.modalities.texts.settings import TextFacts, TextSettings
from anysize.models.architectures import architecture_of
from anysize.models.language_tokenizers import KINDS, train
from anysize.models.lstm_lm import LSTMLanguageModel, lstm_lm
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build
from anysize.models.token_losses import token_losses
from anysize.runtimes.torch_generation import TorchGenerator

TEXTS = [" no it was n't black monday \n", "但是他没有来。\n", "  two  blanks\n"]


def module_of(name: str) -> Any:
    torch.manual_seed(1)
    if name == "lstm":
        return LSTMLanguageModel(
            lstm_lm(vocab_size=60, end=0, window=32, hidden_size=16, num_layers=2)
        )
    common: dict[str, Any] = {"vocab_size": 60, "eos_token_id": 5, "bos_token_id": 1}
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, **common)
        )
    config = {"llama": transformers.LlamaConfig, "gemma": transformers.Gemma2Config}[name](
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, head_dim=8, **common,
    )  # fmt: skip
    return transformers.AutoModelForCausalLM.from_config(config)


def network_of(name: str) -> Network:
    network = Network(module=module_of(name).eval(), spec=name, settings=TextSettings(window=32))
    architecture_of("text-generation").apply(network)
    return network


def examples_of(lengths: list[int]) -> list[Example]:
    random = np.random.default_rng(0)
    found = []
    for place, length in enumerate(lengths):
        ids = random.integers(1, 60, length, dtype=np.int32)
        labels = np.roll(ids, -1).astype(np.int32)
        labels[: length // 3] = -100
        span = Span(0, length)
        found.append(
            Example(
                ordinal=place,
                window=Window(str(place), 0, span, span, last=True),
                arrays={"input_ids": ids, "labels": labels},
                cost=length,
            )
        )
    return found


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma", "lstm"])
def test_windows_see_themselves_alone(name: str) -> None:
    """The same losses as transformers gives for each window by itself, in any company."""
    network, examples = network_of(name), examples_of([9, 1, 20, 4, 20])
    execution = CausalText(network, torch.device("cpu"))
    assert execution.packed == (name in ("gpt2", "llama"))
    with torch.no_grad():
        found = execution(examples)["losses"]
        padded = CausalText(network, torch.device("cpu"), packed=False)(examples)["losses"]
        torch.testing.assert_close(found, padded, atol=1e-5, rtol=1e-5)
        begin = 0
        for example in examples:
            ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
            labels = torch.from_numpy(example.arrays["labels"].astype(np.int64))
            logits = network.module(input_ids=ids).logits[0]
            wanted = torch.nn.functional.cross_entropy(
                logits, labels, reduction="none", ignore_index=-100
            )
            own = found[begin : begin + len(labels)]
            torch.testing.assert_close(own, wanted, atol=1e-5, rtol=1e-5)
            begin += len(labels)
    found = execution(examples)["losses"]
    found.sum().backward()
    gradients = [each.grad for each in network.module.parameters()]
    assert all(each is not None and bool(each.isfinite().all()) for each in gradients)


def test_losses_in_parts_are_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    states, head = torch.randn(11, 8, requires_grad=True), torch.nn.Linear(8, 30)
    wanted = torch.tensor([3, -100, 5, 6, 7, 1, 2, -100, 9, 10, 11])

    def taken() -> tuple[torch.Tensor, torch.Tensor]:
        states.grad = None
        losses = token_losses(states, wanted, head, 30)
        losses.sum().backward()
        assert states.grad is not None
        return losses.detach(), states.grad.clone()

    whole = taken()
    monkeypatch.setattr("anysize.models.token_losses.LOGITS_AT_ONCE", 90)
    for one, two in zip(taken(), whole, strict=True):
        torch.testing.assert_close(one, two)
    nothing = token_losses(states, torch.full((11,), -100), head, 30)
    assert not nothing.any() and nothing.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_tokenizers_give_the_text_again(kind: str) -> None:
    tokenizer = train(lambda: iter(TEXTS * 3), kind, 400)
    assert tokenizer.get_vocab_size() == max(tokenizer.get_vocab().values()) + 1
    for text in TEXTS:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        said = tokenizer.decode(encoding.ids, skip_special_tokens=False)
        if kind == "word":
            assert said.split() == " ".join(text.replace("", " ") if "他" in text else text.split()
                                            ).split()  # fmt: skip
        else:
            assert said == text
    assert tokenizer.encode("x").ids[0] == tokenizer.token_to_id("<|endoftext|>")


def test_words_of_penn_treebank_keep_its_unknown_word() -> None:
    tokenizer = train(lambda: iter(["the <unk> of N \n", "the end \n"]), "word", 100)
    found = tokenizer.encode("the <unk> of strange N\n", add_special_tokens=False)
    assert found.tokens == ["the", "<unk>", "of", "<unk>", "N", "\n"]
    # Without such a word in the text, words that are there once teach what it means.
    other = train(lambda: iter(["the end of the end\n"]), "word", 100)
    assert other.encode("end of", add_special_tokens=False).tokens == ["end", "<unk>"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tokenizer": "bytes"}, "one of bpe"),
        ({"vocabulary": "100"}, "at least 257"),
        ({"heads": "3"}, "no option"),
        ({"num_heads": "3"}, "multiple of num_heads"),
        ({"dropout": "2", "hidden_size": "0"}, "hidden_size must be at least 1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], match: str) -> None:
    request = BuildRequest(
        task="text-generation", labels=(), facts=TextFacts(texts=lambda: iter(TEXTS)),
        options=options,
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match=match):
        build("gpt", request)


@pytest.mark.parametrize("long", [False, True])
def test_a_recurrent_model_generates_what_its_whole_text_says(
    long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if long:
        monkeypatch.setattr("anysize.runtimes.recurrent_decoding.PART", 3)
    network = network_of("lstm")
    generator = TorchGenerator(network, "float32", torch.device("cpu"))
    examples = examples_of([7, 1, 5])
    options = GenerationOptions(most=6, end=(59,))
    found = {one.row: one for one in generator.generate(examples, options)}
    for place, example in enumerate(examples):
        ids = example.arrays["input_ids"].tolist()
        for token in found[place].tokens.tolist():
            logits = network.module(input_ids=torch.tensor([ids])).logits[0, -1]
            assert token == int(logits.argmax())
            ids.append(token)
    assert generator.token_bytes == 2 * 2 * 16 * 4


def test_stop_strings_end_across_tokens_and_are_held_back() -> None:
    stops = StopStrings(("\n\n", "END"), lambda tokens: "".join(map(chr, tokens.tolist())))
    assert not stops.reached([ord(each) for each in "a EN"])
    assert stops.reached([ord(each) for each in "a END"])
    assert stops.cut("one\n\ntwo END") == "one"
    assert stops.shown("one E") == "one " and stops.shown("one\n") == "one"
    assert stops.shown("one Ex") == "one Ex"
    network = network_of("gpt2")
    generator = TorchGenerator(network, "float32", torch.device("cpu"))
    prompt = examples_of([5])
    plain = next(iter(generator.generate(prompt, GenerationOptions(most=12, end=()))))
    said = "".join(chr(65 + each) for each in plain.tokens.tolist())
    wanted = said[3:5]
    cut = StopStrings((wanted,), lambda tokens: "".join(chr(65 + each) for each in tokens.tolist()))
    stopped = GenerationOptions(most=12, end=(), stop_strings=cut)
    found = next(iter(generator.generate(prompt, stopped)))
    assert found.ending == "stop" and len(found.tokens) == said.index(wanted) + 2
