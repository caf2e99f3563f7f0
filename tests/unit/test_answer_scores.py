"""Exact match and F1: what the official scripts of SQuAD 2 and CMRC 2018 count."""

from __future__ import annotations

import numpy as np
import pytest

from anysize.tasks.answer_scores import best_cut, compared, segments


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("the Normans", ["Normans"], 1.0, 1.0),
        ("Normans!", ["the  normans"], 1.0, 1.0),
        ("in France", ["France"], 0.0, 2 / 3),
        ("10th century", ["10th and 11th centuries", "the 10th century"], 1.0, 1.0),
        ("a b a", ["a a b"], 1.0, 1.0),  # articles are left out: "b" and "b"
        ("x y x", ["x x z"], 0.0, 2 / 3),
        ("Paris", ["London"], 0.0, 0.0),
        (None, [], 1.0, 1.0),
        ("Paris", [], 0.0, 0.0),
        (None, ["Paris"], 0.0, 0.0),
        ("", ["Paris"], 0.0, 0.0),
        # An answer that is nothing but an article or punctuation counts as none, as officially.
        (None, ["the"], 1.0, 1.0),
        ("U.S.", ["US"], 1.0, 1.0),
        ("São Paulo", ["Sao Paulo"], 0.0, 0.5),
    ],
)
def test_words_are_compared_as_squad_does(
    answer: str | None, right: list[str], exact: float, f1: float
) -> None:
    assert compared(answer, right) == pytest.approx((exact, f1))


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("308分", ["308分"], 1.0, 1.0),
        ("《黑豹队》", ["黑豹队"], 1.0, 1.0),
        ("黑豹", ["黑豹队"], 0.0, 0.8),
        # The longest stretch in common is one character, though three are the same.
        ("队豹黑", ["黑豹队"], 0.0, 1 / 3),
        ("卡万·肖特", ["卡万肖特"], 1.0, 1.0),
        ("NFL 联盟", ["nfl联盟"], 1.0, 1.0),
        ("东京", ["とうきょう"], 0.0, 0.0),
        (None, ["黑豹队"], 0.0, 0.0),
    ],
)
def test_chinese_counts_by_characters_as_cmrc_does(
    answer: str | None, right: list[str], exact: float, f1: float
) -> None:
    assert compared(answer, right) == pytest.approx((exact, f1))


def test_segments_of_mixed_text() -> None:
    assert segments("在2010年的NFL") == ["在", "2010", "年", "的", "nfl"]
    assert segments("The Quick, brown") == ["quick", "brown"]


def test_the_best_threshold_is_that_of_a_search_over_all() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 40):
        margins = rng.normal(size=count).round(1)
        given = rng.random(count).round(2)
        none = (rng.random(count) < 0.5).astype(float)
        found = best_cut(margins, given, none)
        tried = [-np.inf, *margins.tolist()]
        scores = [float(np.where(margins > one, given, none).mean()) for one in tried]
        assert found.score == pytest.approx(max(scores))
        at = float(np.where(margins > found.threshold, given, none).mean())
        assert at == pytest.approx(found.score)


def test_a_threshold_is_found_where_nothing_could_be_answered() -> None:
    found = best_cut(np.array([-np.inf]), np.array([0.0]), np.array([1.0]))
    assert found == (0.0, 1.0)
