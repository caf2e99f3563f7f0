"""ROUGE: equal to the reference implementation on English, and not zero for other scripts."""

from __future__ import annotations

import itertools
import tracemalloc
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core import rouge

# Precision, recall and F1 of ROUGE-1, -2, -L and -Lsum by rouge-score 0.1.2 without stemmer. The
# second is the example of Lin (2004), section 3.1, the fifth that of section 3.2.
REFERENCE = [
    ("the cat sat on the mat", "the cat lay on the mat",
     [(5 / 6,) * 3, (0.6,) * 3, (5 / 6,) * 3, (5 / 6,) * 3]),
    ("the gunman kill police", "police killed the gunman",
     [(0.75,) * 3, (1 / 3,) * 3, (0.5,) * 3, (0.5,) * 3]),
    ("testing one two", "testing",
     [(1 / 3, 1.0, 0.5), (0.0,) * 3, (1 / 3, 1.0, 0.5), (1 / 3, 1.0, 0.5)]),
    ("A mat_x: B2's ran-off!\nThe dog; the DOG.", "the dog ran\noff a MAT x B2 s",
     [(0.818181818, 1.0, 0.9), (0.6, 0.75, 0.666666667), (0.454545455, 0.555555556, 0.5),
      (0.727272727, 0.888888889, 0.8)]),
    ("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5",
     [(0.4, 0.8, 0.533333333), (0.111111111, 0.25, 0.153846154), (0.4, 0.8, 0.533333333),
      (0.4, 0.8, 0.533333333)]),
    ("one", "", [(0.0,) * 3] * 4),
    ("", "", [(0.0,) * 3] * 4),
]  # fmt: skip
SUMMARIES = st.lists(st.sampled_from(["a ", "b ", "c, ", "d", "\n", "2 "]), max_size=30).map(
    "".join
)
WORDS = st.lists(st.sampled_from("abcd"), max_size=24)


@pytest.mark.parametrize(("prediction", "reference", "wanted"), REFERENCE)
def test_scores_are_those_of_the_reference_implementation(
    prediction: str, reference: str, wanted: list[tuple[float, ...]]
) -> None:
    found = rouge.rouge(prediction, reference)
    for name, values in zip(rouge.METRICS, wanted, strict=True):
        assert found[name] == pytest.approx(values, abs=1e-8), name


@given(SUMMARIES, SUMMARIES)
def test_the_sides_are_exchanged_with_precision_and_recall(first: str, second: str) -> None:
    there, back = rouge.rouge(first, second), rouge.rouge(second, first)
    for name in ("rouge1", "rouge2", "rougeL"):
        assert there[name] == (back[name].recall, back[name].precision, back[name].f1)


@given(WORDS, WORDS)
def test_common_subsequences_are_those_of_the_whole_table(
    first: list[str], second: list[str]
) -> None:
    places = rouge.common_places(first, second)
    assert places == _walked(tuple(first), tuple(second))
    assert rouge.common_length(first, second) == len(places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今天BERT模型的结果。", ["今", "天", "bert", "模", "型", "的", "结", "果"]),
        ("पूर्व प्रधानमन्त्री छ।", ["पूर्व", "प्रधानमन्त्री", "छ"]),
        ("naïve Größe, don’t", ["naïve", "größe", "don", "t"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("วันดี", ["วั", "น", "ดี"]),
        ("snake_case ½ 2nd", ["snake", "case", "½", "2nd"]),
        ("……！", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    assert rouge.words(text) == words


def test_scripts_beyond_ascii_do_not_score_zero() -> None:
    """huggingface/evaluate#256: a text that is compared with itself scored 0."""
    for text in ("पूर्व प्रधानमन्त्री शिंजो आबेको हत्याले जापान स्तब्ध छ।", "今天天气很好", "สวัสดี"):
        assert all(each.f1 == 1.0 for each in rouge.rouge(text, text).values())
    partly = rouge.rouge("今天天气很好", "今天天气不好")
    assert partly["rouge1"].f1 == pytest.approx(5 / 6)
    assert partly["rouge2"].f1 == pytest.approx(3 / 5)
    assert partly["rougeL"].f1 == pytest.approx(5 / 6)


def test_of_several_references_the_best_or_the_mean_counts() -> None:
    references = ["a b c d", "a x", "q"]
    found = rouge.best("a b", references)
    assert found["rouge1"] == rouge.rouge("a b", "a b c d")["rouge1"]
    singles = [rouge.rouge("a b", each)["rouge1"].f1 for each in references]
    assert rouge.mean("a b", references)["rouge1"].f1 == pytest.approx(sum(singles) / 3)


def test_long_summaries_take_little_memory() -> None:
    """A table of 6,000 by 6,000 lengths would take 288 MB."""
    first = [f"w{place * place % 97}" for place in range(6_000)]
    second = [f"w{place * 7 % 97}" for place in range(6_000)]
    tracemalloc.start()
    length = rouge.common_length(first, second)
    _, linear = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    places = rouge.common_places(first, second)
    _, rooted = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length > 500
    assert linear < 1 << 20
    assert rooted < 1 << 20
    assert len(places) == length
    assert all(one < other for one, other in itertools.pairwise(places))


def _walked(first: tuple[str, ...], second: tuple[str, ...]) -> list[int]:
    """The walk of the reference through the table of lengths, cell by cell."""

    @cache
    def length(line: int, column: int) -> int:
        if not line or not column:
            return 0
        if first[line - 1] == second[column - 1]:
            return length(line - 1, column - 1) + 1
        return max(length(line - 1, column), length(line, column - 1))

    line, column = len(first), len(second)
    found: list[int] = []
    while line and column:
        if first[line - 1] == second[column - 1]:
            line, column = line - 1, column - 1
            found.insert(0, line)
        elif length(line, column - 1) > length(line - 1, column):
            column -= 1
        else:
            line -= 1
    return found
