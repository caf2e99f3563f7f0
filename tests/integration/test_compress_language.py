"""Language models compressed through the command line, and judged by their perplexity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.integration.measured_here import measure_here, paced

import anysize
from anysize import tasks
from anysize.cli import main as cli
from anysize.compression.chain import load_method
from anysize.models.spec import open_network
from anysize.planning import apart
from anysize.tasks.protocols import answering, step_of
from anysize.tasks.timing import timing_of

Shelf = Callable[..., Path]

LINES = [" the cat sat on the mat \n", " a dog saw the cat \n", " the dog sat \n", " 猫 看 狗 \n"]
# Measured in this process, which has run other tests.
MEMORY = "12GiB"


def corpus(folder: Path) -> None:
    random = np.random.default_rng(1)
    for name, size in (("train", 60), ("test", 60)):
        texts = ["".join(random.choice(LINES, 5)) for _ in range(size)]
        rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        (folder / f"{name}.jsonl").write_text(rows, encoding="utf-8")


@pytest.fixture(scope="module")
def data(shelf: Shelf) -> Path:
    return shelf("language to compress", corpus)


@pytest.fixture(scope="module")
def llama(shelf: Shelf, data: Path) -> Path:
    """A model of a family that every method for weights knows, with layers that are worth it."""

    def make(folder: Path) -> None:
        words = anysize.train(
            "text-generation", data / "train.jsonl", model="gpt", out=folder / "words", steps=1,
            batch=2, window=32, quiet=True, workers=1, validation=0, test=0,
            options={"tokenizer": "word", "hidden_size": "16", "num_layers": "1", "num_heads": "2"},
        )  # fmt: skip
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=words.network.module.config.vocab_size, hidden_size=96, pad_token_id=0,
            intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, bos_token_id=0,
            max_position_embeddings=64, eos_token_id=0,
        )  # fmt: skip
        transformers.LlamaForCausalLM(config).save_pretrained(folder / "fresh")
        words.network.hub_tokenizer.save_pretrained(folder / "fresh")  # type: ignore[union-attr]
        anysize.train(
            "text-generation", data / "train.jsonl", model=str(folder / "fresh"),
            out=folder / "bundle", steps=40, batch=2, window=32, learning_rate=0.003, quiet=True,
            workers=1, validation=0, test=0, precision="float32",
        )  # fmt: skip

    return shelf("llama to compress", make, own=True) / "bundle"


def judged_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes, one round, and the runtime is torch."""
    measure_here(monkeypatch)
    paced(monkeypatch, 2.0)
    monkeypatch.setattr(apart, "measure", lambda *_, **__: None)


def compressed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, dict[str, Any], str]:
    """The command's exit code, what it printed, and what it said."""
    monkeypatch.setattr("sys.argv", ["anysize", "compress", *arguments, "--memory", MEMORY])
    try:
        cli.run()
    except SystemExit as ended:
        code = int(ended.code or 0)
    else:
        code = 0
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


def test_a_language_model_is_judged_by_its_perplexity(
    llama: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("ctranslate2")
    judged_here(monkeypatch)
    out = tmp_path / "small"
    methods = ["bf16", "int8-weights", "int8-ctranslate2", "int4-weights(group=32)"]
    code, entries, said = compressed(
        capsys, monkeypatch, str(llama), "--out", str(out), "--data", str(data), "--json",
        "--max-drop", "0.05", *(part for name in methods for part in ("--method", name)),
    )  # fmt: skip
    assert code == 0, said
    assert (entries["metric"], entries["lower_is_better"]) == ("perplexity", True)
    assert "lower is better" in said and "continued by 32 tokens" in said
    whole = anysize.load(llama).evaluate(data, split="test", precision="float32")
    original = entries["original"]
    assert original["metric"] == pytest.approx(whole.main()["perplexity"], rel=0.02)
    assert (original["observed"], original["unit"]) == (getattr(whole, "tokens", None), "tokens")
    assert original["metrics"]["bits_per_byte"] > 0
    assert [each["method"] for each in entries["candidates"]] == [*methods]
    for each in entries["candidates"]:
        assert each["figures"]["size"] < original["size"]
        rise = each["figures"]["metric"] / original["metric"] - 1
        assert each["drop"] == pytest.approx(rise, abs=1e-9)
        interval = each["paired"]["interval"]
        assert interval["low"] <= each["paired"]["difference"] <= interval["high"]
        assert each["paired"]["difference"] == pytest.approx(each["drop"], abs=1e-6)
        assert each["paired"]["records"] == original["records"] > 1
        assert each["passes"] == (each["drop"] <= 0.05), each["reasons"]
    assert abs(entries["candidates"][2]["drop"]) < 0.05
    assert entries["shipped"] == "bf16"  # of equals in speed the first
    page = (out / "compression.html").read_text(encoding="utf-8")
    assert "highest allowed" in page and "perplexity may rise by 5 %" in page
    small = anysize.load(out)
    (said_on,) = small([" the cat"], max_new_tokens=4)
    assert isinstance(said_on, anysize.Result) and said_on.details["tokens"] == 4


def test_what_makes_texts_less_likely_is_not_shipped(
    llama: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged_here(monkeypatch)
    code, entries, _ = compressed(
        capsys, monkeypatch, str(llama), "--out", str(tmp_path / "small"), "--data", str(data),
        "--method", "prune-magnitude(sparsity=0.9, epochs=0)", "--max-drop", "0.02", "--json",
    )  # fmt: skip
    (candidate,) = entries["candidates"]
    assert code == 1 and entries["shipped"] is None
    assert candidate["reasons"][0].startswith("perplexity rises by ")
    assert candidate["reasons"][0].endswith("more than 2%")
    assert candidate["paired"]["interval"]["low"] > 0.02


def test_an_int8_form_scores_and_continues_texts_without_weights(
    llama: Path, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ctranslate2")
    from anysize.compression.protocols import Context
    from anysize.tasks import load

    method = load_method("int8-ctranslate2")
    context = Context(task=load("text-generation"), original=llama, memory=4 << 30)
    method.apply(llama, tmp_path / "int8", method.options(), context)
    assert not list((tmp_path / "int8").glob("*.safetensors"))
    before: Any = anysize.load(llama).evaluate(data, split="test", precision="float32")
    after: Any = anysize.load(tmp_path / "int8").evaluate(data, tmp_path / "report", split="test")
    assert after.tokens == before.tokens
    assert after.loss == pytest.approx(before.loss, rel=0.03)
    assert len(after.samples) == len(before.samples) > 0


REFUSED = {
    "int8": "token by token", "int8-dynamic": "token by token", "qat": "token by token",
    "int8-onnx": "models of pictures", "prune-structured": "token by token",
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_what_does_not_fit_a_language_model_is_refused_by_name(key: str, llama: Path) -> None:
    network, card = open_network(str(llama))
    problems = load_method(key).problems(network, card)
    assert problems and REFUSED[key] in problems[0]


def test_a_language_model_without_data_is_timed_on_made_up_prompts(
    llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged_here(monkeypatch)
    code, entries, said = compressed(
        capsys, monkeypatch, str(llama), "--out", str(tmp_path / "small"), "--method", "bf16",
        "--json",
    )  # fmt: skip
    (candidate,) = entries["candidates"]
    assert candidate["figures"]["metric"] is None and candidate["figures"]["throughput"] > 0
    assert "only size and speed" in said and code in (0, 1)


@pytest.mark.parametrize("predicting", [True, False])
def test_what_prediction_does_is_measured_in_a_process_of_its_own(
    llama: Path, predicting: bool
) -> None:
    """The other process makes the very step that was asked for, of prediction as of measuring."""
    network, card = open_network(str(llama))
    task = tasks.of(card)
    step: Any = step_of(answering(task) if predicting else task, network)
    request = {"step": repr(step), "wishes": apart.wishes_of(step)}
    assert repr(apart.same_step(tasks.load(card.task), network, request)) == request["step"]
    timing = timing_of(task, network)
    assert timing is not None
    request = {"step": repr(timing.step), "wishes": apart.wishes_of(timing.step)}
    assert apart.same_step(tasks.load(card.task), network, request) == timing.step
    with pytest.raises(anysize.RunError, match="another step"):
        apart.same_step(tasks.load("text-classification"), network, request)


def test_a_student_learns_every_token_from_its_teacher(
    llama: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged_here(monkeypatch)
    out = tmp_path / "small"
    code, entries, said = compressed(
        capsys, monkeypatch, str(llama), "--out", str(out), "--data", str(data), "--max-drop", "1",
        "--method", "distil(epochs=3, learning_rate=0.003)", "--json",
    )  # fmt: skip
    (candidate,) = entries["candidates"]
    assert code == 0, candidate["reasons"]
    assert "1 of the teacher's layers" in said
    assert candidate["figures"]["size"] < entries["original"]["size"]
    network, card = open_network(str(out))
    config: Any = network.module.config
    assert config.num_hidden_layers == 1
    recipe = card.provenance["tuning"][-1]
    assert (recipe["teacher"], recipe["distil_weight"]) == (str(llama), 0.5)
