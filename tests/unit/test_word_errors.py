"""Word and character errors: what is compared, what is counted, and where errors lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.tasks.transcripts.meter import WordErrorMeter
from anysize.tasks.transcripts.normalizing import characters, words, words_as_written
from anysize.tasks.transcripts.word_errors import (
    SIZE,
    alignment,
    character_errors,
    error_counts,
    word_errors,
    written_errors,
)

RECEIPT = Receipt(
    extent=1, unit="samples", windows=1, covered=1.0, dropped=0, merge="ctc", fidelity="exact"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("Don\u2019t stop \u2018now\u2019", ["don't", "stop", "now"]),
        ("twenty-one", ["twenty", "one"]),
        ("1,000 and 3.5, or 7.", ["1000", "and", "3.5", "or", "7"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ １２", ["full", "width", "12"]),
        ("北京，欢迎你。", ["北", "京", "欢", "迎", "你"]),
        ("我用 GPT4 写诗", ["我", "用", "gpt4", "写", "诗"]),
        ("กา มี", ["ก", "า", "มี"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("e\u0301te\u0301", ["\u00e9t\u00e9"]),
        ("— … 100 %", ["100"]),
        ("", []),
    ],
)
def test_words_are_compared_without_case_and_punctuation(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


def test_words_as_written_keep_case_and_punctuation() -> None:
    assert words_as_written("Hello, 世界!") == ["Hello,", "世", "界", "!"]


def test_characters_have_no_blank_beside_chinese() -> None:
    assert characters(words("我用 GPT 写 two poems")) == "我用gpt写two poems"


@given(st.text())
def test_normal_words_stay_as_they_are(text: str) -> None:
    found = words(text)
    assert all(word and not any(map(str.isspace, word)) for word in found)
    assert words(" ".join(found)) == found


def test_errors_are_counted_apart() -> None:
    counts = error_counts("the cat sat sat on mat", "The dog sat on the mat.")
    found = word_errors(counts)
    assert (found.hits, found.substitutions, found.deletions, found.insertions) == (4, 1, 1, 1)
    assert found.rate == 3 / 6
    # "The" and "mat." differ in case and punctuation.
    assert written_errors(counts).rate == 5 / 6


def test_chinese_words_are_its_characters() -> None:
    counts = error_counts("北京换你", "北京欢迎你。")
    assert word_errors(counts).rate == character_errors(counts).rate == 2 / 5


@pytest.mark.parametrize(
    ("found", "reference", "rate"),
    [("", "a b", 1.0), ("a b c", "", 3.0), ("", "", 0.0), ("a b c", "a", 2.0), ("!", "?", 0.0)],
)
def test_empty_texts_have_rates(found: str, reference: str, rate: float) -> None:
    assert word_errors(error_counts(found, reference)).rate == rate


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_an_alignment_leads_from_one_text_to_the_other(own: list[str], wanted: list[str]) -> None:
    made, errors = [], 0
    for step in alignment(own, wanted):
        errors += step.operation != "equal"
        if step.operation == "equal":
            assert own[step.found] == wanted[step.reference]
        if step.operation != "delete":
            made.append(own[step.found])
    assert made == own
    counts = word_errors(error_counts(" ".join(own), " ".join(wanted)))
    assert errors == counts.substitutions + counts.deletions + counts.insertions
    # The edit distance is symmetric.
    back = word_errors(error_counts(" ".join(wanted), " ".join(own)))
    assert errors == back.substitutions + back.deletions + back.insertions


def test_meters_of_workers_are_joined() -> None:
    pairs = [("a b c", "a b c"), ("a x", "a b"), ("", "a b c d")]
    whole = WordErrorMeter()
    parts = [WordErrorMeter(), WordErrorMeter()]
    for place, (found, target) in enumerate(pairs):
        result = Result(id="r", prediction=found, score=None, receipt=RECEIPT)
        whole.add(result, target)
        parts[place % 2].add(result, target)
    joined = WordErrorMeter()
    joined.join([part.state() for part in parts])
    assert joined.score() == whole.score()
    assert whole.score()[0] == 5 / 9
    assert len(np.array(whole.state())) == SIZE
