"""Students of models that answer in conversations learn from what their teacher answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.chats import save_chat_model

import anysize
from anysize import tasks
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.compression.written_targets import UNUSABLE
from anysize.core.results import Result
from anysize.models.bundle import read_card
from anysize.models.spec import open_network
from anysize.sources import open_splits
from anysize.sources.retargeted import TARGET, Retargeted
from anysize.tasks.text_generation import TextGeneration

QUESTIONS = ["the cat", "a mat", "how", "why"]


def rows() -> list[dict[str, Any]]:
    """One turn, told in two ways, and two turns."""
    found: list[dict[str, Any]] = []
    for number in range(12):
        asked, answer = f"{QUESTIONS[number % 4]} {number}", "because it was warm"
        said = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        if number % 3 == 0:
            more = [{"role": "user", "content": "why"}, {"role": "assistant", "content": "fine"}]
            found.append({"messages": [*said, *more]})
        else:
            found.append({"messages": said})
    return found


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, Path]:
    data = tmp_path / "chat.jsonl"
    text = "".join(json.dumps(row) + "\n" for row in rows())
    data.write_text(text, encoding="utf-8")
    save_chat_model(tmp_path / "model")
    out = tmp_path / "bundle"
    anysize.train(
        "text-generation", data, model=str(tmp_path / "model"), out=out, steps=2, batch=4,
        quiet=True, window=64, precision="float32", validation=0, test=0, workers=1,
    )  # fmt: skip
    return out, data


def test_the_teacher_answers_what_the_data_ask(
    bundle: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, data = bundle
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))

    def unanswered(self: TextGeneration, result: Result) -> str | None:
        # Random weights seldom come to an end.
        return "odd" if _odd(result.id) else None

    monkeypatch.setattr(TextGeneration, "unanswered", unanswered)
    notes: list[str] = []
    context = Context(
        task=tasks.of(read_card(teacher)), original=teacher, memory=4 << 30, data=str(data),
        note=notes.append,
    )  # fmt: skip
    (step,) = parse("distil(layers=1, epochs=1)")
    out = tmp_path / "small"
    step.method.apply(teacher, out, step.options, context)
    network, card = open_network(str(out))
    config: Any = network.module.config
    assert config.num_hidden_layers == 1
    kept = card.provenance["written_targets"]
    assert set(kept["unusable"]) == {"odd"}
    assert kept["records"] > 6 and 0 < kept["written"] < kept["records"]
    assert len(notes) == 1 and "targets are what the teacher wrote" in notes[0]
    (file,) = (tmp_path / "cache").glob("targets-*.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == kept["records"]
    places = [int(line["id"].rpartition(":")[2]) for line in lines]
    model = anysize.load(teacher)
    said = model([{"messages": rows()[place]["messages"][:-1]} for place in places], chat=True)
    for line, answer in zip(lines, said, strict=True):
        if UNUSABLE in line:
            assert _odd(line["id"])
        else:
            assert line[TARGET] == answer.prediction


def _odd(record: str) -> bool:
    return int(record.rpartition(":")[2]) % 2 == 1


def test_answers_of_a_teacher_are_learned_and_those_of_the_data_measured(
    bundle: tuple[Path, Path], tmp_path: Path
) -> None:
    teacher, data = bundle
    network, card = open_network(str(teacher))
    task = tasks.of(card)
    source = open_splits(data, roles=task.columns, validation=0, test=0).train
    assert source is not None
    path = tmp_path / "targets.jsonl"
    lines = [{"id": source[place].id, TARGET: "a mat"} for place in range(len(source))]
    lines[1].pop(TARGET)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    retargeted = Retargeted(source, path)
    preprocess = task.preprocess(network)

    def wanted(place: int, draw: int | None) -> str:
        (example,) = preprocess(place, retargeted[place], draw)
        labels = example.arrays["labels"]
        return str(network.needed_tokenizer().decode(labels[labels >= 0].tolist()))

    assert wanted(0, None) == wanted(0, None).replace("a mat", "") and "fine" in wanted(0, None)
    assert "a mat" in wanted(0, 1) and "fine" not in wanted(0, 1)
    assert "because it was warm" in wanted(0, 1)  # the answer before it stays
    assert wanted(1, 1) == wanted(1, None)
    assert np.array_equal(retargeted[1].target, source[1].target)


def test_texts_that_nobody_asks_are_learned_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"text": "the cat sat on a mat"}) + "\n", encoding="utf-8")
    task = tasks.load("text-generation")
    assert isinstance(task, TextGeneration)
    source = open_splits(path, roles=task.columns, validation=0, test=0).train
    assert source is not None and task.asked(source) is None
