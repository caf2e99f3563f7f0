"""Training of models that write summaries, and how they write them, beside transformers."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.chats import CHATML, save_chat_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import anysize
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.rouge import words
from anysize.modalities import modality_of
from anysize.modalities.texts.settings import TextSettings
from anysize.readers.text import Text
from anysize.sources import open_source
from anysize.tasks.summarization import Summarization, SummaryPreprocess
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.summary_oracle import Oracle

TEXT = "The dog runs over the hill. Two men talk about a red house. A child laughs at the dog."
SUMMARY = "A dog runs, and a child laughs."
WINDOW = 96


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    inner.train_from_iterator([TEXT, SUMMARY] * 20, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>", model_max_length=WINDOW,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["bart", "bart forced", "t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    return written(request.param, place)


def written(kind: str, place: Path) -> Path:
    torch.manual_seed(1)
    names = tokenizer()
    common: dict[str, Any] = {
        "vocab_size": len(names), "pad_token_id": 1, "eos_token_id": 2,
        "tie_word_embeddings": False, "dropout_rate": 0.0, "dropout": 0.0,
    }  # fmt: skip
    network: Any
    if kind.startswith("bart"):
        config: Any = BartConfig(
            d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
            max_position_embeddings=WINDOW, bos_token_id=0, decoder_start_token_id=2,
            forced_eos_token_id=None, **common,
        )  # fmt: skip
        network = BartForConditionalGeneration(config)
        network.generation_config.forced_bos_token_id = 0 if kind.endswith("forced") else None
    else:
        config = T5Config(
            d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, decoder_start_token_id=1,
            **common,
        )  # fmt: skip
        network = T5ForConditionalGeneration(config)
        own = {"prefix": "the dog: ", "num_beams": 3, "length_penalty": 2.0, "max_length": 24,
               "min_length": 4, "no_repeat_ngram_size": 2}  # fmt: skip
        network.config.task_specific_params = {"summarization": own}
    with torch.no_grad():  # varied tokens, and none that are special
        network.get_output_embeddings().weight.normal_()[:4] = 0
    network.save_pretrained(place)
    names.save_pretrained(place)
    return place


def record(text: str, *summaries: str) -> Record:
    return Record(id="one", fields={"text": Text(text)}, target=json.dumps(summaries))


def test_the_loss_is_that_of_transformers(folder: Path) -> None:
    from anysize.modalities.texts.pairs import PairedText
    from anysize.tasks.protocols import LossBatch

    model = anysize.load(folder, task="summarization")
    network = model.network
    assert network.outputs == ("target_logits",)
    task = Summarization()
    texts = ((TEXT, SUMMARY), ("A red house.", "Two men talk about a house on the hill."))
    preprocess = SummaryPreprocess(network, SummaryOptions())
    examples = [next(preprocess(0, record(*pair), 0)) for pair in texts]
    network.module.eval()
    outputs = PairedText(network, torch.device("cpu"))(examples)
    batch = LossBatch(
        examples=examples, owners=torch.arange(2), weights=torch.ones(2), targets=[0, 0]
    )
    ours = float(task.loss(network, outputs, batch).detach())
    theirs: Any = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    names = tokenizer()
    prefix = "the dog: " if theirs.config.model_type == "t5" else ""
    wanted = 0.0
    for text, summary in texts:
        labels = torch.tensor([names(summary)["input_ids"]])
        logits = theirs(torch.tensor([names(prefix + text)["input_ids"]]), labels=labels).logits
        losses = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="none")
        # A token that the decoder is begun with is not written.
        forced = theirs.generation_config.forced_bos_token_id is not None
        wanted += float(losses[1 if forced else 0 :].sum().detach())
    assert ours == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("asked", [{}, {"beams": 4, "length_penalty": 0.5, "no_repeat": 3}])
def test_summaries_are_written_as_by_transformers(folder: Path, asked: dict[str, Any]) -> None:
    model = anysize.load(folder, task="summarization")
    (found,) = model(
        [TEXT], memory="12GiB", runtime="torch", precision="float32", max_new_tokens=20, **asked
    )
    assert isinstance(found, Result)
    theirs: Any = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    own = (getattr(theirs.config, "task_specific_params", None) or {}).get("summarization", {})
    names = tokenizer()
    ids = torch.tensor([names(own.get("prefix", "") + TEXT)["input_ids"]])
    forced = theirs.generation_config.forced_bos_token_id is not None
    made = theirs.generate(
        ids, do_sample=False, max_length=None, max_new_tokens=20 + forced,
        num_beams=asked.get("beams", own.get("num_beams", 1)),
        length_penalty=asked.get("length_penalty", own.get("length_penalty", 1.0)),
        no_repeat_ngram_size=asked.get("no_repeat", own.get("no_repeat_ngram_size", 0)),
    )  # fmt: skip
    wanted = names.decode(made[0], skip_special_tokens=True)
    assert str(found.prediction).split() == wanted.split()
    assert wanted.strip()


def brute(sentences: list[str], summary: str) -> list[int]:
    """Greedy choice by ROUGE-1 and ROUGE-2, everything counted anew in each step."""

    def grams(text: str) -> tuple[Counter[Any], Counter[Any]]:
        found = words(text)
        return Counter(found), Counter(pairwise(found))

    def score(places: list[int]) -> float:
        total = 0.0
        for order in (0, 1):
            own: Counter[Any] = sum((grams(sentences[p])[order] for p in places), Counter())
            wanted = grams(summary)[order]
            total += 2 * (own & wanted).total() / max(own.total() + wanted.total(), 1)
        return total

    taken: list[int] = []
    while True:
        others = [place for place in range(len(sentences)) if place not in taken]
        best = max(others, key=lambda place: score([*taken, place]), default=None)
        if best is None or score([*taken, best]) <= score(taken):
            return sorted(taken)
        taken.append(best)


def test_sentences_are_chosen_greedily_by_rouge() -> None:
    draw = random.Random(2)
    known = [f"w{number}" for number in range(30)]
    for _ in range(30):
        sentences = [" ".join(draw.choices(known, k=draw.randint(1, 9))) for _ in range(25)]
        summary = " ".join(draw.choices(known, k=12))
        oracle = Oracle(summary)
        candidates = [oracle.candidate(each, len(each.split())) for each in sentences]
        wanted = brute(sentences, summary)
        size = sum(candidates[place].size for place in wanted)
        assert oracle.chosen(candidates, 10_000) == list(range(25))  # room for all
        chosen = oracle.chosen(candidates, size + 10)
        assert set(wanted) <= set(chosen)
        assert chosen == sorted(chosen)
        assert sum(candidates[place].size for place in chosen) <= size + 10
        tight = oracle.chosen(candidates, size)
        assert set(wanted) <= set(tight)


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_what_the_summary_is_about_is_shown_wherever_it_is(
    depth: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    network = anysize.load(
        written("bart", tmp_path_factory.mktemp("bart")), task="summarization"
    ).network
    filler = ["Nobody knows this at all." for _ in range(60)]
    filler.insert(int(depth * 60), "Two men talk about a red house.")
    preprocess = SummaryPreprocess(network, SummaryOptions())
    names = tokenizer()
    text = " ".join(filler)
    (example,) = preprocess(0, record(text, "Men talk about a house."), 0)
    shown = names.decode(example.arrays["input_ids"], skip_special_tokens=True)
    assert "Two men talk about a red house." in shown
    assert shown.count("Nobody knows") >= 2  # with what is around it
    assert len(example.arrays["input_ids"]) <= WINDOW
    # A document that fits is shown as it is, as in prediction.
    (whole,) = preprocess(0, record(TEXT, SUMMARY), 0)
    (alone,) = preprocess(0, record(TEXT, SUMMARY))
    assert np.array_equal(whole.arrays["input_ids"], alone.arrays["input_ids"])
    # Of several summaries every draw takes the next.
    several = record(TEXT, SUMMARY, "A red house.")
    drawn = [next(preprocess(0, several, draw)).arrays["labels"].tolist() for draw in range(3)]
    assert drawn[0] == drawn[2] != drawn[1]
    with pytest.raises(DataError, match="raise --max-new-tokens"):
        next(preprocess(0, record(TEXT, "word " * 600), 0))


def test_what_is_not_shown_whole_is_counted(folder: Path, tmp_path: Path) -> None:
    network = anysize.load(folder, task="summarization").network
    rows = [(TEXT, SUMMARY), (TEXT * 20, SUMMARY), (TEXT, SUMMARY * 4), (TEXT, SUMMARY * 40)]
    path = tmp_path / "data.jsonl"
    lines = [json.dumps({"text": text, "summary": summary}) for text, summary in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    findings = Findings()
    task = Summarization(SummaryOptions(max_new_tokens=20))
    task.measure(network, open_source(path, roles=task.columns), findings)
    found = {one.code: (one.count, one.examples) for one in findings}
    assert found == {
        "documents-extracted": (1, ("data.jsonl:1",)),
        "summaries-longer-than-written": (1, ("data.jsonl:2",)),
        "summaries-too-long": (1, ("data.jsonl:3",)),
    }


def test_a_model_learns_to_summarise(tmp_path: Path) -> None:
    folder = written("bart", tmp_path / "bart")
    path = tmp_path / "data.jsonl"
    lines = [json.dumps({"text": f"{TEXT} {n}.", "summary": SUMMARY}) for n in range(24)]
    path.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "run"
    anysize.train(
        task="summarization", data=path, model=str(folder), out=out, epochs=50, batch=8,
        learning_rate=3e-3, max_new_tokens=20, validation=0, test=0, memory="12GiB",
        precision="float32", workers=1, quiet=True,
    )  # fmt: skip
    model = anysize.load(out)
    (found,) = model([TEXT + " 99."], memory="12GiB", runtime="torch")
    assert isinstance(found, Result)
    # Special tokens begin with no weight in the output, so that its ends are learned last.
    assert SUMMARY in str(found.prediction)


@pytest.mark.parametrize("template", [CHATML, None])
def test_a_decoder_learns_the_summary_alone(template: str | None, tmp_path: Path) -> None:
    """Behind the prompt that it has in prediction, with the loss that transformers' logits give."""
    from anysize.tasks.protocols import LossBatch, LossOptions

    save_chat_model(tmp_path, template)
    network = anysize.load(tmp_path, task="summarization").network
    task = Summarization(SummaryOptions(max_new_tokens=20))
    preprocess = task.preprocess(network)
    pairs = ((TEXT, SUMMARY), ("A red house.", "Two men talk."))
    examples = [next(iter(preprocess(0, record(*pair), 0))) for pair in pairs]
    hub: Any = network.hub_tokenizer
    asked = "<|im_start|>user\nSummarize the following text.\n\n{}<|im_end|><|im_start|>assistant\n"
    wanted = 0.0
    module: Any = network.module.eval()
    for (text, summary), example in zip(pairs, examples, strict=True):
        ids, labels = (example.arrays[name].tolist() for name in ("input_ids", "labels"))
        assert hub.decode(ids) == (asked.format(text) if template else f"{text}\nTL;DR:")
        assert hub.decode(labels) == (summary if template else f" {summary}") + "<|im_end|>"
        (alone,) = preprocess(0, record(text, summary), None)
        assert alone.arrays["input_ids"].tolist() == ids
        assert example.cost == len(ids) + len(labels)
        with torch.no_grad():
            logits = module(input_ids=torch.tensor([ids + labels])).logits[0]
        wanted += float(
            torch.nn.functional.cross_entropy(
                logits[len(ids) - 1 : -1], torch.tensor(labels), reduction="sum",
                label_smoothing=0.1,
            )
        )  # fmt: skip
    batch = LossBatch(
        examples=examples, owners=torch.arange(2), weights=torch.ones(2), targets=[0, 0],
        options=LossOptions(label_smoothing=0.1),
    )  # fmt: skip
    for packed in (True, False):
        execution = modality_of(network.settings).execution(
            network, torch.device("cpu"), packed=packed
        )
        assert execution.packed is packed
        ours = task.loss(network, execution(examples), batch)
        assert float(ours.detach()) == pytest.approx(wanted, rel=1e-4)


def test_a_decoder_is_trained_with_additions_and_writes_what_it_learned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_chat_model(tmp_path / "model")
    path = tmp_path / "data.jsonl"
    summary = "because it was warm"
    rows = [{"text": f"The cat sat on the mat {n}.", "summary": summary} for n in range(24)]
    # Longer than the model reads: it is shown what its summary is about.
    rows.append({"text": "Nobody knows. " * 40 + "It was warm.", "summary": summary})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "run"
    anysize.train(
        task="summarization", data=path, model=str(tmp_path / "model"), out=out, steps=60, batch=8,
        lora=True, lora_targets=("all-linear",), learning_rate=0.01, max_new_tokens=20,
        validation=0, test=0, precision="float32", workers=1, quiet=True,
        freeze=("!model.embed_tokens",),  # random ones cannot say much
    )  # fmt: skip
    assert "windows have 176 tokens instead of 256" in caplog.text
    report = json.loads((out / "report.json").read_text())
    assert "documents-extracted" in {one["code"] for one in report["findings"]}
    model = anysize.load(out)
    assert model.network.reads(TextSettings).window == 176
    (found,) = model(["The cat sat on the mat 99."], runtime="torch", precision="float32")
    assert isinstance(found, Result)
    assert found.prediction == summary and found.details["sentences"]
    measured: Any = model.evaluate(path, runtime="torch", precision="float32")
    assert measured.main()["rougeL"] > 0.9


def test_extracts_are_not_trained(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": TEXT, "summary": SUMMARY}) + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is not trained"):
        anysize.train(task="summarization", data=path, model="lead", out=tmp_path / "a", quiet=True)
