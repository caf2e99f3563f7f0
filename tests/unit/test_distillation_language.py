"""Language models and their teachers: the divergence of every token that is predicted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.heads.soft import divergence
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, token_losses
from anysize.models.bundle import Card
from anysize.models.divergence import token_divergence
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build, open_network
from anysize.models.thinned import apply_options, stacks_of
from anysize.models.transformer_mt import half_as_wide
from anysize.tasks.distilling import Side, Writing
from anysize.training import Recipe
from anysize.training.distillation import DistillingObjective, with_teacher
from anysize.training.pooled import Objective, Windows, one_graph

WORDS = [f"w{number}" for number in range(40)]
MEAN = 8.0


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def language_model(key: str, seed: int, tokens: int = 40, **options: str) -> Network:
    torch.manual_seed(seed)
    sizes = {"hidden_size": "16", "num_layers": "2", "dropout": "0", "tokenizer": "word"}
    sizes |= {"num_heads": "2"} if key == "gpt" else {}
    request = BuildRequest(
        task="text-generation", labels=(), wishes=TextOptions(window=24),
        facts=TextFacts(texts=lambda: iter([" ".join(WORDS[:tokens])] * 3)),
        options={**sizes, **options},
    )  # fmt: skip
    network = build(key, request)
    network.module.config.update({"tokens_per_record": MEAN})
    with torch.no_grad():
        for parameter in network.module.parameters():
            parameter.mul_(4.0)  # as drawn, all tokens are about as likely
    return network


def saved(network: Network, folder: Path, task: str = "text-generation") -> str:
    card = Card(task=task, labels=(), model="gpt", settings=network.settings)
    return str(bundle.save(folder, network, card))


def windows(count: int) -> list[Example]:
    random = np.random.default_rng(1)
    found = []
    for number, length in enumerate(random.integers(3, 24, count).tolist()):
        ids = random.integers(0, 40, length + 1).astype(np.int32)
        labels = ids[1:].copy()
        labels[: length // 3] = -100  # context alone
        span = Span(0, length)
        window = Window(f"record {number}", 0, span, span, last=True)
        arrays = {"input_ids": ids[:-1], "labels": labels}
        found.append(Example(ordinal=number, window=window, arrays=arrays, cost=length))
    return found


def learning(
    student: Network, teacher: str, *, task: str = "text-generation", packed: bool | None = None,
    **fields: Any,
) -> DistillingObjective:  # fmt: skip
    plain = Objective(
        task=tasks.load(task), network=student,
        execution=make_execution(student, packed=packed), rule="mean", label_smoothing=0.0,
        device=torch.device("cpu"), bfloat16=False,
    )  # fmt: skip
    recipe = Recipe(task=task, data="-", model="-", out="-", teacher=teacher, **fields)
    found = with_teacher(plain, recipe, ())
    assert isinstance(found, DistillingObjective)
    student.module.train()
    return found


def by_formula(
    student: Network, teacher: Network, examples: Sequence[Example], temperature: float
) -> Tensor:
    """The summed divergence of each window, each read by itself."""
    found = []
    for example in examples:
        ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))[None]
        kept = torch.from_numpy(example.arrays["labels"] >= 0)
        own, other = (one.module(input_ids=ids).logits[0, kept] for one in (student, teacher))
        found.append(divergence(own, other, temperature).sum() / MEAN)
    return torch.stack(found)


@pytest.mark.parametrize("classes", [7, 40_000])
def test_blocks_give_the_divergence_and_its_gradient(classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    own, other = (
        torch.randn(23, classes, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    wide = own.clone().requires_grad_()
    weights = torch.rand(23, generator=generator)
    wanted = divergence(wide, other, 3.0)
    (wanted * weights).sum().backward()
    narrow = own.float().requires_grad_()
    found = token_divergence(narrow, other.float(), 3.0)
    (found * weights).sum().backward()
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-4)
    assert wide.grad is not None and narrow.grad is not None
    torch.testing.assert_close(narrow.grad, wide.grad.float(), rtol=1e-4, atol=1e-7)
    with torch.no_grad():
        assert torch.equal(token_divergence(narrow, other.float(), 3.0), found)


@pytest.mark.parametrize(("key", "packed"), [("gpt", True), ("gpt", False), ("lstm-lm", None)])
def test_every_wanted_token_is_compared_once(
    key: str, packed: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is made at once, and however windows lie: as each window by itself."""
    teacher = saved(language_model(key, 0), tmp_path)
    student = language_model(key, 1)
    objective = learning(student, teacher, packed=packed, temperature=2.0, distil_weight=0.7)
    outputs = objective.outputs(windows(7))
    plain = by_formula(student, open_network(teacher)[0], windows(7), 2.0)
    torch.testing.assert_close(outputs["soft"], plain, rtol=1e-4, atol=1e-5)
    loss = one_graph(objective, [Windows([each], 0) for each in windows(7)])
    hidden = outputs["hidden"].sum() if "hidden" in outputs else 0.0
    expected = 0.3 * outputs["losses"].sum() / MEAN + 0.7 * plain.sum() + hidden
    assert loss == pytest.approx(float(expected.detach()), rel=1e-4)
    first = {name: one.grad.clone() for name, one in student.module.named_parameters()
             if one.grad is not None}  # fmt: skip
    student.module.zero_grad()
    monkeypatch.setattr(token_losses, "LOGITS_AT_ONCE", 300)  # a few tokens, made again for grads
    assert one_graph(objective, [Windows([each], 0) for each in windows(7)]) == pytest.approx(loss)
    for name, one in student.module.named_parameters():
        if name in first:
            torch.testing.assert_close(one.grad, first[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", ["gpt", "lstm-lm"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(key: str, tmp_path: Path) -> None:
    teacher = saved(language_model(key, 0), tmp_path)
    objective = learning(open_network(teacher)[0], teacher)
    assert objective.comparison is not None and objective.comparison.count == 2
    outputs = objective.outputs(windows(5))
    for name in ("soft", "hidden"):
        torch.testing.assert_close(outputs[name], torch.zeros(5), rtol=0, atol=1e-6)
    other = learning(language_model(key, 1), teacher).outputs(windows(5))
    assert (other["soft"] > 1e-3).all() and (other["hidden"] > 1e-3).all()


def test_states_of_packed_and_padded_windows_are_compared_alike(tmp_path: Path) -> None:
    teacher = saved(language_model("gpt", 0), tmp_path)
    found = [
        learning(language_model("gpt", 1, num_layers="1"), teacher, packed=packed).outputs(
            windows(9)
        )
        for packed in (True, False)
    ]
    for name in ("losses", "soft", "hidden"):
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-4, atol=1e-5)


def test_validation_hears_nothing(tmp_path: Path) -> None:
    objective = learning(language_model("gpt", 1), saved(language_model("gpt", 0), tmp_path))
    objective.network.module.eval()
    assert set(objective.outputs(windows(2))) == {"losses"}


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    teacher = saved(language_model("gpt", 0), tmp_path)
    with pytest.raises(ConfigurationError, match="same tokenizer"):
        learning(language_model("gpt", 1, tokens=30), teacher)
    student = open_network(teacher)[0]
    config = transformers.GPT2Config(**{**student.module.config.to_dict(), "vocab_size": 64})
    student.module = transformers.GPT2LMHeadModel(config)
    with pytest.raises(ConfigurationError, match="the student's vocabulary has 64"):
        learning(student, teacher)


def translator(seed: int, layers: int = 2) -> Network:
    torch.manual_seed(seed)
    texts = [" ".join(WORDS)] * 3
    request = BuildRequest(
        task="translation", labels=(), facts=TextFacts(texts=lambda: iter(texts)),
        options={
            "vocabulary": "300", "hidden_size": "16", "num_layers": str(layers), "num_heads": "2",
            "decoder_layers": "4", "intermediate_size": "16", "dropout": "0",
        },
    )  # fmt: skip
    return build("transformer-mt", request)


def sentence_pairs(count: int) -> list[Example]:
    random = np.random.default_rng(3)
    found = []
    for example in windows(count):
        length = int(random.integers(2, 9))
        labels = random.integers(3, 250, length).astype(np.int32)
        arrays = {"input_ids": example.arrays["input_ids"] + 3, "labels": labels}
        found.append(dataclasses.replace(example, arrays=arrays))
    return found


def test_encoder_decoders_are_compared_at_every_token_of_the_target(tmp_path: Path) -> None:
    task = tasks.load("translation")
    assert isinstance(task, Writing)
    sides = [Side(network=translator(seed), labels=(), head={}) for seed in (0, 1)]
    soft = task.soft_targets(*sides, 2.0)
    assert soft.loss is not None
    examples = sentence_pairs(5)
    outputs = [make_execution(side.network)(examples) for side in sides]
    found = soft.loss(*outputs, examples)
    lengths = [len(each.arrays["labels"]) for each in examples]
    wanted = divergence(outputs[0]["target_logits"], outputs[1]["target_logits"], 2.0)
    expected = torch.stack([part.sum() for part in wanted.split(lengths)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found > 0).all()


@pytest.mark.parametrize("packed", [True, False])
def test_decoders_that_write_summaries_are_compared_at_the_same_tokens(
    packed: bool, tmp_path: Path
) -> None:
    teacher = saved(language_model("gpt", 0), tmp_path, "summarization")
    examples = [
        dataclasses.replace(each, arrays={**each.arrays, "labels": each.arrays["labels"] % 40})
        for each in sentence_pairs(4)
    ]
    examples = [
        dataclasses.replace(
            each, arrays={**each.arrays, "input_ids": each.arrays["input_ids"][:9] % 40}
        )
        for each in examples
    ]
    own = open_network(teacher)[0]
    assert own.outputs == ("target_logits",)
    outputs = learning(own, teacher, task="summarization", packed=packed).outputs(examples)
    for name in ("soft", "hidden"):
        torch.testing.assert_close(outputs[name], torch.zeros(4), rtol=0, atol=1e-5)
    student = language_model("gpt", 1)
    student.outputs, student.beside = ("target_logits",), ()
    objective = learning(student, teacher, task="summarization", packed=packed)
    other = objective.outputs(examples)
    assert (other["soft"] > 1e-3).all() and (other["hidden"] > 1e-3).all()
    wanted = learning(student, teacher, task="summarization", packed=not packed).outputs(examples)
    torch.testing.assert_close(other["hidden"], wanted["hidden"], rtol=1e-3, atol=1e-5)


def test_encoder_decoders_lose_layers_on_both_sides() -> None:
    network = translator(0)
    assert [(each.setting, len(each.layers)) for each in stacks_of(network.module)] == [
        ("encoder_layers", 2), ("decoder_layers", 4),
    ]  # fmt: skip
    decoder: Any = network.module.get_decoder()
    last = decoder.layers[-1]
    apply_options(network, {"layers": "1", "decoder_layers": "2"})
    config: Any = network.module.config
    assert (config.encoder_layers, config.num_hidden_layers, config.decoder_layers) == (1, 1, 2)
    assert len(decoder.layers) == 2 and decoder.layers[-1] is last
    assert decoder.layers[-1].self_attn.layer_idx == 1
    generated = network.module.generate(torch.tensor([[5, 6, 1]]), max_new_tokens=4)
    assert generated.shape[0] == 1
    with pytest.raises(ConfigurationError, match="decoder_layers must be from 1 to 2"):
        apply_options(network, {"decoder_layers": "3"})
    with pytest.raises(ConfigurationError, match="it has: layers, decoder_layers"):
        apply_options(network, {"width": "3"})
    with pytest.raises(ConfigurationError, match="no encoder-decoder"):
        apply_options(language_model("gpt", 0), {"decoder_layers": "1"})


def test_half_the_width_is_a_multiple_of_the_heads() -> None:
    config: Any = translator(0).module.config
    assert half_as_wide(config) == {
        "hidden_size": "8", "intermediate_size": "8", "num_layers": "2", "decoder_layers": "4",
        "num_heads": "2",
    }  # fmt: skip
    config.encoder_attention_heads = 8
    assert half_as_wide(config)["hidden_size"] == "16"
