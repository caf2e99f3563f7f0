"""A generating task of another package: planned as it works, streamed, in rounds, with receipts."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import anysize
from anysize import PartialResult, Result
from anysize.core import plugins
from anysize.core.errors import BudgetError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import Network
from anysize.models.tokenizers import train_tokenizer
from anysize.runtimes.torch import open_generator

PACKAGE = Path(__file__).resolve().parents[1] / "plugin" / "generating"
WINDOW, NEW_TOKENS = 24, 4
WORDS = (
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "sleeps",
    "under", "some", "old", "tree",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    sys.path.insert(0, str(PACKAGE))
    importlib.invalidate_caches()
    plugins.keys.cache_clear()
    yield
    sys.path.remove(str(PACKAGE))
    plugins.keys.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, installed: None) -> Path:
    """A bundle of a small GPT-2 with random weights."""
    import transformers

    torch.manual_seed(3)
    tokenizer = train_tokenizer([" ".join(WORDS)] * 3, 300)
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_embd=32, n_layer=2, n_head=4, n_positions=64,
        bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    module = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, each in module.named_parameters():
            if each.dim() > 1 and "bias" not in name:
                each.mul_(4.0)
    network = Network(
        module=module,
        spec="small-writer",
        tokenizer=tokenizer,
        settings=TextSettings(window=WINDOW),
    )
    labels = tuple(str(each) for each in config.id2label.values())
    card = Card(task="toy-writing", labels=labels, model="small-writer", settings=network.settings)
    return bundle.save(tmp_path_factory.mktemp("writer") / "bundle", network, card)


def texts() -> list[str]:
    random = np.random.default_rng(1)
    return [" ".join(random.choice(WORDS, count)) for count in (3, 200, 8, 60, 1, 5, 5, 90)]


def by_hand(model: anysize.Model, text: str) -> tuple[str, int]:
    """What one text gives, window by window, and how many windows that takes."""
    network = model.network
    assert network.tokenizer is not None
    generator = open_generator(network, "float32")
    options = model.task.step(network).options  # type: ignore[attr-defined]
    windows = 0
    while True:
        record = model.open([text], anysize.PredictOptions())[0]
        examples = list(model.task.preprocess(network)(0, record))
        found = []
        for example in examples:
            span = Span(0, 1)
            alone = Example(
                ordinal=0, window=Window(record="x", index=0, region=span, core=span, last=True),
                arrays=example.arrays, cost=example.cost,
            )  # fmt: skip
            (grown,) = generator.generate([alone], options)
            found.append(network.tokenizer.decode(grown.tokens.tolist()))
        windows += len(examples)
        text = " ".join(found)
        if len(examples) == 1:
            return text, windows


def test_each_text_gives_what_it_gives_alone(folder: Path) -> None:
    model = anysize.load(folder)
    plan = model.plan(model.open(texts(), anysize.PredictOptions()), anysize.PredictOptions())
    whole = WINDOW + NEW_TOKENS
    assert plan.window == whole
    assert plan.batches.budget >= whole
    assert "sequences of the job's size at once" in " ".join(plan.why)
    rounds = []
    for text, result in zip(texts(), model.predict(texts(), precision="float32"), strict=True):
        assert isinstance(result, Result)
        expected, windows = by_hand(model, text)
        assert result.prediction == expected
        assert result.receipt.windows == windows
        assert result.receipt.covered == 1.0
        rounds.append(len(result.receipt.rounds))
    assert rounds[0] == 0
    assert max(rounds) >= 2


def test_a_plan_of_a_generation_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anysize.planning import session

    model = anysize.load(folder)
    before = [one.prediction for one in model(texts(), precision="float32")]  # type: ignore[union-attr]

    def never(*_: object, **__: object) -> object:
        raise AssertionError("it was planned again")

    monkeypatch.setattr(session, "plan_prediction", never)
    monkeypatch.setattr(session, "straight_plan", never)
    again = [one.prediction for one in model(texts(), precision="float32")]  # type: ignore[union-attr]
    assert again == before


def test_partial_results_are_streamed_between_the_results(folder: Path) -> None:
    model = anysize.load(folder)
    finished: list[str] = []
    lengths: dict[tuple[str, int, int], list[int]] = {}
    for one in model.stream(texts(), precision="float32"):
        if isinstance(one, PartialResult):
            lengths.setdefault((one.id, one.round, one.window), []).append(len(one.partial))
        else:
            finished.append(one.id)
    assert finished == [one.id for one in model(texts())]
    assert max(round_ for _, round_, _ in lengths) >= 2
    assert any(len(each) == NEW_TOKENS for each in lengths.values())
    assert all(each == sorted(each) for each in lengths.values())


def test_a_budget_that_holds_no_window_and_its_cache_is_refused(folder: Path) -> None:
    with pytest.raises(BudgetError, match="smallest budget that would do"):
        list(anysize.load(folder).predict(texts(), memory="64MiB", runtime="torch"))


def test_a_classification_has_nothing_to_stream(tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=2,
    )  # fmt: skip
    network = Network(
        module=transformers.BertForSequenceClassification(config),
        spec="reader",
        tokenizer=train_tokenizer([" ".join(WORDS)], 300),
        settings=TextSettings(window=16),
    )
    card = Card(
        task="text-classification", labels=("a", "b"), model="reader", settings=network.settings
    )
    model = anysize.Model(network, card)
    with pytest.raises(ConfigurationError, match="has no partial results"):
        list(model.stream(["the fox"]))


def test_the_command_line_prints_partial_results_as_lines(folder: Path, tmp_path: Path) -> None:
    for number, text in enumerate(texts()[:3]):
        (tmp_path / f"{number}.txt").write_text(text)
    source = Path(anysize.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "anysize", "predict", str(folder), str(tmp_path), "--stream"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), str(PACKAGE)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    results = [line for line in lines if "prediction" in line]
    assert [line["id"] for line in results] == ["0.txt", "1.txt", "2.txt"]
    assert len(results[1]["receipt"]["rounds"]) >= 1
    partial = [line for line in lines if "partial" in line]
    assert {line["id"] for line in partial} == {"0.txt", "1.txt", "2.txt"}
    assert {line["round"] for line in partial} > {0}

    refused = subprocess.run(
        [sys.executable, "-m", "anysize", "predict", str(folder), str(tmp_path), "--stream",
         "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), str(PACKAGE)])},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "--stream prints lines as they come" in refused.stderr + refused.stdout
