"""Language models from data to perplexity, report and continuations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import anysize
from anysize.core.results import PartialResult, Result
from anysize.readers.text import Text
from anysize.tasks.text_generation import TextGeneration

Shelf = Callable[..., Path]

LINES = [" the cat sat on the mat \n", " a dog saw the cat \n", " the dog sat \n", " 猫 看 狗 \n"]


def corpus(folder: Path) -> None:
    random = np.random.default_rng(1)
    for name, size in (("train", 500), ("test", 300)):
        lines = random.choice(LINES, size)
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def bundle(shelf: Shelf, model: str, tokenizer: str) -> Path:
    data = shelf("language", corpus)

    def make(folder: Path) -> None:
        options = {"tokenizer": tokenizer, "hidden_size": "16", "num_layers": "1", "dropout": "0"}
        anysize.train(
            "text-generation", data / "train.txt", model=model, out=folder / "bundle", steps=60,
            batch=2, window=32, learning_rate=0.02, quiet=True, workers=1, validation=0, test=0,
            options={**options, **({"num_heads": "2"} if model == "gpt" else {})},
        )  # fmt: skip

    return shelf(f"{model}-{tokenizer}", make, own=True) / "bundle"


@pytest.mark.parametrize(("model", "tokenizer"), [("gpt", "word"), ("lstm-lm", "bpe")])
def test_perplexity_counts_each_token_once(shelf: Shelf, model: str, tokenizer: str) -> None:
    """At stride 1 it is what each token costs after all that the window holds before it."""
    loaded = anysize.load(bundle(shelf, model, tokenizer))
    path = shelf("language", corpus) / "test.txt"
    text = path.read_text(encoding="utf-8")[:400]
    network: Any = loaded.network
    window = network.settings.window
    ids = [0, *network.tokenizer.encode(text, add_special_tokens=False).ids]
    total = 0.0
    with torch.no_grad():
        for place in range(1, len(ids)):
            read = torch.tensor([ids[max(place - window, 0) : place]])
            chances = network.module(input_ids=read).logits[0, -1].log_softmax(0)
            total -= float(chances[ids[place]])
    found = loaded.evaluate([{"text": text}], stride=1, runtime="torch", precision="float32")
    measured: Any = found
    assert measured.tokens == len(ids) - 1
    assert measured.loss == pytest.approx(total, rel=1e-5)
    assert measured.main()["perplexity"] == pytest.approx(math.exp(total / (len(ids) - 1)), 1e-5)
    words = len(text.split()) + text.count("\n")
    assert measured.main()["word_perplexity"] == pytest.approx(math.exp(total / words), 1e-5)
    bits = total / math.log(2) / len(text.encode())
    assert measured.main()["bits_per_byte"] == pytest.approx(bits, 1e-5)


def test_a_report_stands_beside_simpler_models(shelf: Shelf, tmp_path: Path) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    data = shelf("language", corpus) / "test.txt"
    found: Any = loaded.evaluate(data, tmp_path, precision="float32")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {"unigram", "kneser_ney_5"}
    assert metrics["baselines"]["unigram"]["tokens"] == metrics["tokens"] == found.tokens
    smoothed = metrics["baselines"]["kneser_ney_5"]["perplexity"]
    assert 1 < smoothed < metrics["baselines"]["unigram"]["perplexity"]
    text = data.read_text(encoding="utf-8")
    assert metrics["tokens"] == metrics["words"] == len(text.split()) + text.count("\n")
    low, high = metrics["intervals"]["perplexity"]
    assert low < metrics["perplexity"] < high
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "kneser_ney_5" in report and "猫" in report and len(metrics["samples"]) > 0


def test_continuations_do_not_depend_on_their_company(shelf: Shelf) -> None:
    """Whatever they are batched with (and padded by), prompts are continued the same."""
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    prompts = [" the", " a dog saw the cat \n the dog", " 猫"]
    for options in ({}, {"temperature": 0.9, "top_k": 5, "seed": 4}):
        wanted = {"max_new_tokens": 12, "precision": "float32", **options}
        together = loaded(prompts, **wanted)
        for place, prompt in enumerate(prompts):
            alone = loaded([*prompts[:place], prompt], **wanted)[place]
            assert isinstance(alone, Result)
            assert alone.prediction == together[place].prediction  # type: ignore[union-attr]
    again = loaded(prompts, max_new_tokens=12, temperature=0.9, seed=5, precision="float32")
    assert [one.prediction for one in again] != [one.prediction for one in together]  # type: ignore[union-attr]


def test_stop_texts_and_streams(shelf: Shelf) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    plain = loaded.predict_one(" the", max_new_tokens=30, precision="float32")
    assert isinstance(plain, Result) and "\n" in plain.prediction
    stopped = loaded.predict_one(" the", max_new_tokens=30, stop=("\n",), precision="float32")
    assert isinstance(stopped, Result)
    assert stopped.prediction == plain.prediction.split("\n")[0]
    assert stopped.details["ending"] == "stop"
    shown = []
    for one in loaded.stream([" the"], max_new_tokens=30, stop=("\n",), precision="float32"):
        if isinstance(one, PartialResult):
            shown.append(one.partial)
        else:
            assert isinstance(one, Result) and one.prediction == stopped.prediction
    assert shown and all(stopped.prediction.startswith(each) for each in shown)


def test_texts_without_tokens_are_named(shelf: Shelf) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    with pytest.raises(anysize.DataError, match="no token to predict"):
        loaded.evaluate([{"text": " "}], precision="float32")
    with pytest.raises(anysize.ConfigurationError, match="stride must be at most the window"):
        loaded.evaluate([{"text": "the cat"}], stride=100)


def test_training_windows_move_and_documents_end(shelf: Shelf) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    preprocess = TextGeneration().preprocess(loaded.network)
    text = Text("".join(LINES * 8))
    record = anysize.core.records.Record(id="a", fields={"text": text})
    seen = set()
    for draw in range(4):
        examples = list(preprocess(0, record, draw))
        labels = np.concatenate([one.arrays["labels"] for one in examples])
        wanted = labels[labels >= 0].tolist()
        tokens = loaded.network.tokenizer.encode("".join(LINES * 8), add_special_tokens=False).ids  # type: ignore[union-attr]
        assert wanted == [*tokens, 0]
        seen.add(len(examples[0].arrays["input_ids"]))
    assert len(seen) > 1


def test_prompts_beyond_the_positions_are_continued_and_the_receipt_says_so(shelf: Shelf) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    results = loaded([" the", " the cat" * 30], max_new_tokens=40, precision="float32")
    short, long = (one for one in results if isinstance(one, Result))
    assert short.details["tokens"] == long.details["tokens"] == 40
    assert short.receipt.fidelity == "approximate" and short.receipt.covered == 1
    assert long.receipt.covered < 1 and long.receipt.reason
    assert "kept the first 4 and the last" in long.receipt.notes[0]
    (whole,) = loaded([" the"], max_new_tokens=5, precision="float32")
    assert isinstance(whole, Result) and whole.receipt.fidelity == "exact"
    state = anysize.load(bundle(shelf, "lstm-lm", "bpe"))
    (read,) = state([" the cat" * 300], max_new_tokens=5, precision="float32")
    assert isinstance(read, Result) and read.receipt.fidelity == "exact"


def test_a_folder_of_transformers_is_measured_asked_and_trained_further(
    shelf: Shelf, tmp_path: Path
) -> None:
    ours = anysize.load(bundle(shelf, "gpt", "word"))
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=ours.network.module.config.vocab_size, hidden_size=16, intermediate_size=24,
        num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=64, eos_token_id=0,
        bos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path / "llama"
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    ours.network.hub_tokenizer.save_pretrained(folder)  # type: ignore[union-attr]
    loaded = anysize.load(folder)
    assert loaded.card.task == "text-generation"
    (said,) = loaded([" the cat"], max_new_tokens=4, precision="float32")
    assert isinstance(said, Result) and said.details["tokens"] == 4
    data = shelf("language", corpus)
    before: Any = loaded.evaluate(data / "test.txt", precision="float32")
    assert "no baselines" in before.notices[0]
    trained = anysize.train(
        "text-generation", data / "train.txt", model=str(folder), out=tmp_path / "run", steps=20,
        batch=4, window=32, learning_rate=0.01, quiet=True, workers=1, validation=0, test=0,
    )  # fmt: skip
    after: Any = trained.evaluate(data / "test.txt", precision="float32")
    assert after.main()["perplexity"] < 0.7 * before.main()["perplexity"]


def test_what_is_not_for_language_models_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    loaded = anysize.load(bundle(shelf, "gpt", "word"))
    for form in ("onnx", "openvino"):
        with pytest.raises(anysize.ConfigurationError, match="export it to 'huggingface'"):
            loaded.export(tmp_path / form, form)
        assert import_module(f"anysize.runtimes.{form}").precisions(loaded.network) == ()
    exported = loaded.export(tmp_path / "hub", "huggingface")
    plain = transformers.AutoModelForCausalLM.from_pretrained(exported)
    ids = torch.tensor([[0, 3, 4]])
    wanted = loaded.network.module(input_ids=ids).logits
    torch.testing.assert_close(plain(input_ids=ids).logits, wanted)
