"""Conversations learned from end to end, with low-rank additions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.chats import save_chat_model

import anysize

Shelf = Callable[..., Path]
QUESTIONS = ["the cat", "a mat", "how", "why"]


def conversations(folder: Path) -> None:
    rows = [
        {"messages": [
            {"role": "user", "content": f"{QUESTIONS[number % 4]} {number}"},
            {"role": "assistant", "content": f"because it was warm {QUESTIONS[number % 4]}"},
        ]}
        for number in range(64)
    ]  # fmt: skip
    rows.append({"messages": [{"role": "user", "content": "nobody answers"}]})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "chat.jsonl").write_text(text, encoding="utf-8")


def trained(shelf: Shelf, template: str | None, name: str) -> Path:
    data = shelf("conversations", conversations) / "chat.jsonl"

    def make(folder: Path) -> None:
        save_chat_model(folder / "model", **({} if template else {"template": None}))
        anysize.train(
            "text-generation", data, model=str(folder / "model"), out=folder / "bundle", steps=40,
            batch=8, lora=True, lora_targets=("all-linear",), learning_rate=0.02, quiet=True,
            window=64, precision="float32", validation=0, test=0,
            freeze=("!model.embed_tokens",),  # random ones cannot say much
        )  # fmt: skip

    return shelf(name, make, own=True)


def reported(model: Any, rows: list[Any], metrics: Any, count: int) -> None:
    """The answers stand beside those of the data, the perplexity beside simpler models."""
    unigram, smoothed = (metrics["baselines"][name] for name in ("unigram", "kneser_ney_5"))
    assert unigram["tokens"] == smoothed["tokens"] == count and smoothed["of_answers"]
    assert 1 < smoothed["perplexity"] < unigram["perplexity"]
    shown = metrics["samples"]
    assert [one["chosen"] for one in shown] == ["highest perplexity"] * 3 + ["at random"] * 3
    worst = [one["perplexity"] for one in shown[:3]]
    assert worst == sorted(worst, reverse=True)
    assert worst == [one["perplexity"] for one in metrics["worst_records"][:3]]
    assert len({one["id"] for one in shown}) == len(rows)
    for one in shown:
        asked, answer = rows[int(one["id"].rpartition(":")[2])]["messages"]
        assert one["prompt"] == f"user: {asked['content']}"
        assert one["reference"] == answer["content"] and not one["reference_cut"]
        (said,) = model(
            [{"messages": [asked]}], chat=True, max_new_tokens=48, precision="float32",
            runtime="torch",
        )  # fmt: skip
        assert one["continuation"] == said.prediction


@pytest.mark.parametrize("template", ["chatml", None])
def test_answers_are_learned_and_measured(shelf: Shelf, template: str | None) -> None:
    folder = trained(shelf, template, f"chat-{template}")
    data = shelf("conversations", conversations) / "chat.jsonl"
    before = anysize.load(folder / "model", task="text-generation")
    after: Any = anysize.load(folder / "bundle")
    report = json.loads((folder / "bundle" / "report.json").read_text())
    assert report["failed"] == 1
    assert {one["code"] for one in report["findings"]} >= {"conversations", "conversation-broken"}
    added = load_file(folder / "bundle" / "adapter" / "adapter_model.safetensors")
    assert all(bool(item.any()) for name, item in added.items() if "lora_" in name)
    tokenizer = after.network.hub_tokenizer
    assert tokenizer.chat_template
    beginning = data.read_text().splitlines(keepends=True)[:6]
    few = folder / "few.jsonl"
    few.write_text("".join(beginning))
    rows = [json.loads(line) for line in beginning]
    total, count = 0.0, 0
    for row in rows:
        asked = tokenizer.apply_chat_template(
            row["messages"][:1], tokenize=False, add_generation_prompt=True
        )
        answer = row["messages"][1]["content"] + "<|im_end|>"
        start = len(tokenizer(asked, add_special_tokens=False)["input_ids"])
        ids = tokenizer(asked + answer, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            chances = after.network.module(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        for place in range(start, len(ids)):
            total -= float(chances[place - 1, ids[place]])
            count += 1
    out = folder / "report"
    found: Any = after.evaluate(few, out, runtime="torch", precision="float32")
    assert found.tokens == count
    reported(after, rows, json.loads((out / "metrics.json").read_text()), count)
    page = (out / "report.html").read_text()
    assert ("answer of the model" in page and "<mark>" in page) or template
    assert found.loss == pytest.approx(total, rel=1e-4)
    learned = math.exp(total / count)
    if template:
        was: Any = before.evaluate(few, runtime="torch", precision="float32")
        assert learned < 5 < 100 < was.main()["perplexity"]
    else:
        assert learned < 5
