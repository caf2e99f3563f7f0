"""Back-translation: two models, a line a record in the cache, a lot for each text and epoch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import anysize
from anysize.augmentation.back_translation import BackTranslation
from anysize.augmentation.specification import parse
from anysize.augmentation.texts import Rewriting, TextChanges
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Record
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import spec
from anysize.models.bundle import Card, save
from anysize.models.network import BuildRequest
from anysize.planning import paraphrases
from anysize.planning.paraphrases import KeptParaphrases, with_kept
from anysize.planning.translators import Pair
from anysize.readers.text import Text

SENTENCES = ["one and two .", "two and three .", "three and four .", "four and one ."]


def write_translator(folder: Path, seed: int = 0, **columns: str) -> Path:
    """A model for translation with random weights."""
    import torch

    torch.manual_seed(seed)
    network = spec.build(
        "transformer-mt",
        BuildRequest(
            task="translation", labels=(), facts=TextFacts(texts=lambda: iter(SENTENCES * 20)),
            wishes=TextOptions(window=32),
            options={
                "vocabulary": "300", "hidden_size": "16", "num_layers": "1", "num_heads": "2",
                "decoder_layers": "1", "intermediate_size": "16",
            },
        ),
    )  # fmt: skip
    card = Card(
        task="translation", labels=(), model="transformer-mt", settings=network.settings,
        provenance={"recipe": {"columns": columns}} if columns else {},
    )  # fmt: skip
    return save(folder, network, card)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder / "en-de", source="en", target="de")
    write_translator(folder / "de-en", 1, source="de", target="en")
    write_translator(folder / "en-fr", 2, source="en", target="fr")
    return folder


class Few:
    """Records in memory, one of which cannot be read."""

    name = "few"

    def __init__(self, count: int, longest: int = 10) -> None:
        self._count, self._longest = count, longest

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Record:
        text: Any = Text("x" * self._longest if index == 3 else f"text {index}", origin="t")
        if index == 5:
            text = Broken()
        return Record(id=f"r{index}", fields={"text": text})

    def fingerprint(self) -> str:
        return f"few {self._count}"


class Broken:
    origin = "t"
    size_hint = 3

    def chunks(self) -> Any:
        raise DataError("t", "cannot be read")


Turned = Callable[[Sequence[tuple[str, str]]], list[tuple[str, str | None]]]


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Translation by turning texts round; every text that came is noted, call by call."""
    calls: list[list[str]] = []

    def paraphrases_of(_self: Pair, texts: Sequence[tuple[str, str]]) -> Any:
        calls.append([name for name, _ in texts])
        return [(text[::-1], "looping" if name == "r1" else None) for name, text in texts]

    monkeypatch.setattr(Pair, "paraphrases", paraphrases_of)
    return calls


def step_of(models: Path, p: float = 1.0, back: str = "de-en") -> BackTranslation:
    return BackTranslation(there=str(models / "en-de"), back=str(models / back), p=p)


def text_of(changes: TextChanges, record: Record, epoch: int = 0) -> str:
    return "".join(changes.changed(record.text("text"), epoch, record.id).chunks())


def test_texts_are_translated_once_and_found_again(
    models: Path, turned: list[list[str]], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(paraphrases, "LONGEST", 20)
    source: Any = Few(8, 50)
    steps = with_kept((step_of(models), *parse("letter_case(upper, p=1)")), source, "text", "4GiB")
    changes = TextChanges(steps, 0)
    assert text_of(changes, source[0]) == "0 TXET"
    assert text_of(changes, source[1]) == "TEXT 1"  # its translation went round in a loop
    assert text_of(changes, source[3]) == "X" * 50  # too long
    assert "3 of 8 texts stay as they are" in caplog.text and "looping (1)" in caplog.text
    assert [name for call in turned for name in call] == ["r0", "r1", "r2", "r4", "r6", "r7"]
    turned.clear()
    again = with_kept((step_of(models),), source, "text", "4GiB")
    assert text_of(TextChanges(again, 0), source[0]) == "0 txet"
    assert turned == []
    other: Any = Few(2)
    with_kept((step_of(models),), other, "text", "4GiB")
    assert turned == [["r0", "r1"]]


def test_a_run_that_was_ended_goes_on(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paraphrases, "BLOCK", 3)
    source: Any = Few(13)
    calls: list[str] = []

    def ended(_self: Pair, texts: Sequence[tuple[str, str]]) -> Any:
        calls.extend(name for name, _ in texts)
        if "r7" in calls and calls.count("r7") == 1:
            raise KeyboardInterrupt
        return [(text.upper(), None) for _, text in texts]

    monkeypatch.setattr(Pair, "paraphrases", ended)
    with pytest.raises(KeyboardInterrupt):
        with_kept((step_of(models),), source, "text", "4GiB")
    (step,) = with_kept((step_of(models),), source, "text", "4GiB")
    assert isinstance(step, Rewriting) and isinstance(step.paraphrases, KeptParaphrases)
    assert len(step.paraphrases) == 13
    assert (calls.count("r0"), calls.count("r7"), calls.count("r12")) == (1, 2, 1)
    assert text_of(TextChanges((step,), 0), source[12]) == "TEXT 12"


def test_seed_epoch_and_record_decide(models: Path, turned: list[list[str]]) -> None:
    source: Any = Few(64, 10)
    (step,) = with_kept((step_of(models, p=0.5),), source, "text", "4GiB")
    readable = [index for index in range(64) if index != 5]

    def drawn(seed: int, epoch: int) -> list[bool]:
        changes = TextChanges((step,), seed)
        return [text_of(changes, source[index], epoch).endswith("txet") for index in readable]

    assert drawn(0, 0) == drawn(0, 0)
    assert 15 < sum(drawn(0, 0)) < 48
    assert drawn(0, 0) != drawn(0, 1) and drawn(0, 0) != drawn(1, 0)


def test_two_random_models_there_and_back(models: Path) -> None:
    pair = Pair(str(models / "en-de"), str(models / "de-en"), "4GiB")
    try:
        found = pair.paraphrases([("a", "one and two ."), ("b", "two and three .")])
        assert found == pair.paraphrases([("a", "one and two ."), ("b", "two and three .")])
    finally:
        pair.close()
    assert len(found) == 2
    assert all(why is None or why for _, why in found)
    assert pair.there.languages == {"source": "en", "target": "de"}


def test_models_that_do_not_belong_together_are_refused(models: Path, tmp_path: Path) -> None:
    source: Any = Few(2)

    def refused(step: BackTranslation, message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            with_kept((step,), source, "text", "4GiB")

    refused(BackTranslation(), r"needs two models for translation: back_translation\(THERE, BACK\)")
    refused(step_of(models, back="none"), "as back, and .* is none")
    refused(step_of(models, back="en-fr"), "targets of .*en-de are de, and the sources of .* en")
    refused(step_of(models, back="en-de"), "the sources of .* are en, and the targets of .* are de")
    (tmp_path / "texts.csv").write_text("text,label\ngood,1\nbad,0\n" * 20)
    anysize.train(
        "text-classification", tmp_path / "texts.csv", model="transformer", steps=1, quiet=True,
        out=tmp_path / "labels", options={"hidden_size": "16", "num_layers": "1"},
        memory="4GiB", tensorboard=False,
    )  # fmt: skip
    step = dataclasses.replace(step_of(models), there=str(tmp_path / "labels"))
    refused(step, "needs models for translation, and .*labels is for text-classification")


def test_it_must_come_first_and_be_made_ready(models: Path) -> None:
    with pytest.raises(ConfigurationError, match="back_translation must come first"):
        TextChanges((*parse("typos"), step_of(models)), 0)
    with pytest.raises(ConfigurationError, match="translate beforehand"):
        TextChanges((step_of(models),), 0).changed(Text("a"), 0, "r")


def test_training_and_augment_use_it(models: Path, turned: list[list[str]], tmp_path: Path) -> None:
    rows = "".join(f"good film {at},yes\nbad plot {at},no\n" for at in range(30))
    data = tmp_path / "texts.csv"
    data.write_text(f"text,label\n{rows}")
    augment = str(step_of(models))
    model = anysize.train(
        "text-classification", data, model="transformer", steps=2, quiet=True,
        out=tmp_path / "run", options={"hidden_size": "16", "num_layers": "1"}, memory="4GiB",
        augment=augment, tensorboard=False,
    )  # fmt: skip
    asked = [name for call in turned for name in call]
    assert len(asked) == len(set(asked)) > 30
    recipe = model.card.provenance["recipe"]
    assert json.dumps(recipe["augment"]).count("back_translation") == 1
    turned.clear()
    sheet: Any = anysize.augment(data, tmp_path / "sheet.tsv", augment, count=2, draws=2)
    assert [row[1] for row in sheet.texts] == [row[0][::-1] for row in sheet.texts]
    assert len(turned) == 2  # each text that is shown, once
    before = len(turned)
    with pytest.raises(ConfigurationError, match="token-classification"):
        anysize.train(
            "token-classification", _tags(tmp_path), model="transformer", steps=1, quiet=True,
            out=tmp_path / "tags", augment=augment, memory="4GiB", tensorboard=False,
        )  # fmt: skip
    assert len(turned) == before  # refused before anything is translated


def _tags(folder: Path) -> Path:
    path = folder / "tags.jsonl"
    line = json.dumps({"tokens": ["Ann", "sleeps"], "tags": ["B-PER", "O"]})
    path.write_text(f"{line}\n" * 30)
    return path
