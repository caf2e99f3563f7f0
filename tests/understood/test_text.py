"""Text: a test for each line of the table in docs/data-layouts.md."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification

import anysize
from anysize import api
from anysize.api.model import Model
from anysize.core.receipts import Receipt
from anysize.core.results import ErrorResult, Result
from anysize.modalities.texts.settings import TextFacts, TextSettings
from anysize.models import bundle, spec
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.sources.inputs import standard_input

WORDS = ("a", "good", "bad", "film", "was", "cafe")
HALF = "\ud83d"


@pytest.fixture(scope="module")
def model() -> Model:
    """A tiny BERT whose vocabulary is a handful of words; windows of 16 tokens."""
    vocabulary = {name: place for place, name in enumerate(("[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, num_labels=2,
    )  # fmt: skip
    settings = TextSettings(window=16)
    module = BertForSequenceClassification(config).eval()
    network = Network(module=module, spec="tiny", settings=settings, tokenizer=tokenizer)
    card = Card(
        task="text-classification", labels=("bad", "good"), model="tiny", merge="mean",
        settings=settings,
    )  # fmt: skip
    return Model(network, card)


def one(model: Model, text: object) -> Result | ErrorResult:
    """The answer for one text, which must not disturb those around it."""
    before, found, after = model.predict(["a good film", text, "a bad film"])
    assert isinstance(before, Result)
    assert isinstance(after, Result)
    assert before.receipt.covered == after.receipt.covered == 1.0
    assert before.receipt.counts is None
    return found


def receipt(model: Model, text: object) -> Receipt:
    found = one(model, text)
    assert isinstance(found, Result)
    return found.receipt


def refused(model: Model, text: object) -> str:
    found = one(model, text)
    assert isinstance(found, ErrorResult)
    return found.error


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_text_empty(model: Model, tmp_path: Path) -> None:
    assert "nothing to read: the text is empty" in refused(model, "")
    assert "empty.txt: nothing to read" in refused(model, written(tmp_path / "empty.txt", b""))


@pytest.mark.parametrize("text", ["   ", "\n\r\n\t", "\u3000\u2028", "\x07\x1b"])
def test_text_blank(model: Model, text: str) -> None:
    assert f"nothing to read: the {len(text)} characters" in refused(model, text)


@pytest.mark.parametrize("repeats", [1, 100])
def test_text_unknown_tokens(model: Model, repeats: int) -> None:
    """One word of ten is unknown, in a text of one window and in one of many."""
    text = "a good film was a splendid good film a film " * repeats
    found = receipt(model, text)
    assert found.counts == {"unknown_tokens": repeats}
    share = text.count("splendid") * len("splendid") / len(text)
    assert found.covered == pytest.approx(1 - share, abs=1 / found.extent)
    assert found.dropped == round((1 - found.covered) * found.extent)
    assert found.reason is not None
    assert f"{8 * repeats} characters" in found.reason
    assert any("of the text is unknown" in note for note in found.notes)


def test_text_long_word(model: Model) -> None:
    """One unknown token of five, and all but some thousandths of the characters."""
    found = receipt(model, "a good film " + "x" * 100_000 + " film")
    assert found.counts == {"unknown_tokens": 1}
    assert found.covered < 0.01
    assert found.dropped == found.extent


def test_text_other_script(model: Model) -> None:
    found = receipt(model, "这家酒店")
    assert found.counts == {"unknown_tokens": 4}
    assert found.covered == 0.0
    assert found.dropped == found.extent == 4


def test_text_normalized(model: Model, tmp_path: Path) -> None:
    same = ("a good café film", "A  GOOD\tCAFÉ film\x07", "a good cafe film")
    scores = {found.score for found in model.predict(list(same)) if isinstance(found, Result)}
    assert len(scores) == 1
    request = BuildRequest(
        task="text-classification", labels=("a", "b"), facts=TextFacts(texts=lambda: ["a b"])
    )
    network = spec.build("attention", request)
    card = Card(
        task="text-classification", labels=("a", "b"), model="attention", merge="mean",
        settings=network.settings,
    )  # fmt: skip
    bundle.save(tmp_path / "run", network, card)
    file = tmp_path / "run" / "tokenizer.json"
    named = api.card(tmp_path / "run")["tokenizer"]["leaves_out"]
    assert "upper and lower case are the same" in named
    assert model.network.tokenizer is not None
    entries = json.loads(file.read_bytes())
    entries["normalizer"] = json.loads(model.network.tokenizer.to_str())["normalizer"]
    file.write_text(json.dumps(entries), encoding="utf-8")
    named = api.card(tmp_path / "run")["tokenizer"]["leaves_out"]
    for part in ("case", "accents", "control characters", "blanks"):
        assert any(part in words for words in named), part


@pytest.mark.parametrize("text", [HALF, "a good film " * 50 + HALF, f"a {HALF} film"])
def test_text_half_character(model: Model, text: str, tmp_path: Path) -> None:
    problem = refused(model, text)
    assert "half of a character (U+D83D)" in problem
    assert f"found one at character {text.index(HALF)}" in problem
    rows = [{"text": "a good film"}, {"text": text}, {"text": "a bad film"}]
    lines = "\n".join(map(json.dumps, rows)).encode()
    table = written(tmp_path / "rows.jsonl", lines)
    first, second, third = model.predict(table)
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert isinstance(second, ErrorResult)


def test_text_half_character_stdin(model: Model) -> None:
    lines = [b'{"text": "a good film"}\n', b'{"text": "half \\ud83d"}\n', b"a bad film\n"]
    with standard_input(io.BytesIO(b"".join(lines)), "text", strings=True) as path:
        kinds = [type(found) for found in model.predict(path)]
    assert kinds == [Result, ErrorResult, Result]


def test_text_half_character_training(tmp_path: Path) -> None:
    rows = [{"text": f"a film of {place}", "label": str(place % 2)} for place in range(20)]
    rows[7]["text"] = f"half {HALF}"
    table = written(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)).encode())
    counted = api.statistics(table, task="text-classification").to_json()
    assert counted["records"] == 20
    model = anysize.train(
        "text-classification", table, model="attention", out=tmp_path / "run", steps=2, batch=16,
        validation=0.0, test=0.0,
    )  # fmt: skip
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["failed"] == 1
    (failure,) = report["failures"].values()
    assert "half of a character" in failure
    assert model.card.labels == ("0", "1")


def test_text_nul(model: Model, tmp_path: Path) -> None:
    assert "NUL characters, found one at character 6" in refused(model, "a film\0")
    assert "NUL" in refused(model, written(tmp_path / "nul.txt", b"a film\0" * 1000))


def test_text_undecodable(model: Model, tmp_path: Path) -> None:
    path = written(tmp_path / "latin.txt", "a café was good".encode("cp1252"))
    problem = refused(model, path)
    assert "at byte 5" in problem
    assert "try encoding 'cp1252'" in problem


def test_text_byte_order_mark(model: Model, tmp_path: Path) -> None:
    path = written(tmp_path / "marked.txt", "a good film".encode("utf-8-sig"))
    assert receipt(model, path) == receipt(model, "a good film")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_text_utf16(model: Model, tmp_path: Path, encoding: str) -> None:
    text = "a good café film " * 9000
    path = written(tmp_path / "wide.txt", text.encode(encoding))
    assert receipt(model, path) == receipt(model, text)
    from anysize.readers.text import Text

    field = Text(path)
    assert "".join(field.chunks()) == text
    assert field.read(140_000, 140_017) == text[140_000:140_017]


def test_text_line_ends(tmp_path: Path) -> None:
    from anysize.readers.text import Text

    text = "one\r\ntwo\rthree\nfour\u2028"
    path = written(tmp_path / "ends.txt", text.encode())
    assert "".join(Text(path).chunks()) == text


def test_text_file_name(model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "film.txt", b"a good film")
    (found,) = model.predict(str(path))
    assert isinstance(found, Result)
    assert found.receipt.counts is not None  # it is the name that was read
    assert f"{str(path)!r} is the name of a file, and was read as a text" in caplog.text
    caplog.clear()
    list(model.predict([path, "a good film"]))
    assert not caplog.text
