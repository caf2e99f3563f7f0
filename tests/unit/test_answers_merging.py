"""Answers joined over windows: each span scored once, where most context is around it."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.answers import AnswerMerger, AnswerRules, spans
from anysize.windows.spans import spans as cut

FIRST = 3  # rows before a window's own tokens


def windows(extent: int, size: int, overlap: int) -> list[Window]:
    pieces = list(cut(extent, size, overlap))
    return [
        Window(record="r", index=index, region=region, core=core, last=index == len(pieces) - 1)
        for index, (region, core) in enumerate(pieces)
    ]


def output(window: Window, rng: np.random.Generator, text: str) -> dict[str, Any]:
    """Logits of noise; token ``i`` is the character ``i`` of the text."""
    region = window.region
    assert isinstance(region, Span)
    tokens = np.arange(region.start, region.stop)
    characters = text[region.start : region.stop].encode("utf-32-le")
    return {
        "start_logits": rng.normal(size=FIRST + region.size + 1).astype(np.float32),
        "end_logits": rng.normal(size=FIRST + region.size + 1).astype(np.float32),
        "first": np.array(FIRST),
        "none": np.array(0),
        "offsets": np.stack([tokens, tokens + 1], axis=1),
        "begin": np.array(region.start),
        "characters": np.frombuffer(characters, np.uint32),
    }


def merged(rules: AnswerRules, pairs: list[tuple[Window, dict[str, Any]]]) -> Result:
    merger = AnswerMerger("r", rules)
    for window, each in pairs:
        merger.add(window, each)
    return merger.finish()


def scored(window: Window, longest: int) -> Iterator[tuple[int, int]]:
    """First and last token, in the text, of the spans that a window scores."""
    region = window.region
    assert isinstance(region, Span)
    rng = np.random.default_rng(0)
    found = spans(window, output(window, rng, "x" * region.stop), longest)
    for row, column in np.argwhere(np.isfinite(found)).tolist():
        yield region.start + row, region.start + row + column


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(2, 20), st.data())
def test_every_span_is_scored_once_where_most_context_is(
    extent: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    longest = data.draw(st.integers(1, size + 2))
    laid = windows(extent, size, overlap)
    found = [(pair, window) for window in laid for pair in scored(window, longest)]
    inside: dict[tuple[int, int], list[Span]] = {}
    for first in range(extent):
        for last in range(first, min(first + longest, extent)):
            regions = [each.region for each in laid if isinstance(each.region, Span)]
            holding = [r for r in regions if r.start <= first and last < r.stop]
            if holding:
                inside[first, last] = holding
    assert sorted(pair for pair, _ in found) == sorted(inside)
    for (first, last), window in found:
        region = window.region
        assert isinstance(region, Span)

        def context(place: Span, first: int = first, last: int = last) -> int:
            return min(first - place.start, place.stop - 1 - last)

        # Beyond the ends of a text there is nothing that a window could lack.
        ends = region.start == 0 or region.stop == extent
        most = max(map(context, inside[first, last]))
        assert ends or context(region) >= most - 1
    if overlap + 1 >= longest:
        every = {(a, b) for a in range(extent) for b in range(a, min(a + longest, extent))}
        assert set(inside) == every


def test_the_best_span_of_all_windows_is_found_with_its_probability() -> None:
    text = "".join(chr(97 + place % 26) for place in range(50))
    laid, rng = windows(50, 20, 8), np.random.default_rng(4)
    pairs = [(window, output(window, rng, text)) for window in laid]
    every: list[float] = []
    best: tuple[float, int, int] = (-np.inf, 0, 0)
    for window, each in pairs:
        region, core = window.region, window.core
        assert isinstance(region, Span)
        assert isinstance(core, Span)
        for i, j in itertools.product(range(region.size), repeat=2):
            middle = region.start + (i + j) // 2
            if i <= j < i + 6 and core.start <= middle < core.stop:
                score = float(each["start_logits"][FIRST + i]) + float(
                    each["end_logits"][FIRST + j]
                )
                every.append(score)
                best = max(best, (score, region.start + i, region.start + j + 1))
    none = min(float(each["start_logits"][0]) + float(each["end_logits"][0]) for _, each in pairs)
    result = merged(AnswerRules(longest=6), pairs)
    total = np.logaddexp.reduce([*every, none])
    assert (result.details["start"], result.details["end"]) == best[1:]
    assert result.prediction == text[best[1] : best[2]]
    assert result.score == pytest.approx(np.exp(best[0] - total))
    assert result.details["margin"] == pytest.approx(best[0] - none)
    assert result.details["no_answer_score"] == pytest.approx(np.exp(none - total))
    assert result.receipt.covered == 1.0
    assert result.receipt.fidelity == "approximate"


@pytest.mark.parametrize("top", [1, 5])
def test_the_order_of_windows_does_not_matter(top: int) -> None:
    laid, rng = windows(300, 30, 10), np.random.default_rng(1)
    text = "".join(rng.choice(list("ab c"), 300))
    pairs = [(window, output(window, rng, text)) for window in laid]
    rules = AnswerRules(top=top, longest=5)
    expected = merged(rules, pairs)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(pairs))
        found = merged(rules, [pairs[place] for place in order])
        assert found.prediction == expected.prediction
        assert found.score == pytest.approx(expected.score, abs=1e-12)
        places = [(each["start"], each["end"]) for each in found.details["answers"]]
        assert places == [(each["start"], each["end"]) for each in expected.details["answers"]]


def test_several_answers_differ_and_do_not_overlap() -> None:
    """As users of the old pipeline asked: transformers issues 26286 and 38984."""
    rng = np.random.default_rng(2)
    text = "The king, the KING and the king's son " * 6
    pairs = [(window, output(window, rng, text)) for window in windows(len(text), 40, 12)]
    result = merged(AnswerRules(top=10, longest=8), pairs)
    answers = result.details["answers"]
    assert len(answers) == 10
    assert len({" ".join(each["answer"].casefold().split()) for each in answers}) == 10
    for one, other in itertools.combinations(answers, 2):
        assert one["end"] <= other["start"] or other["end"] <= one["start"]
    scores = [each["score"] for each in answers]
    assert scores == sorted(scores, reverse=True)
    for each in answers:
        assert text[each["start"] : each["end"]] == each["answer"]
    alone = merged(AnswerRules(top=1, longest=8), pairs)
    assert alone.details["answers"] == answers[:1]


def test_no_answer_is_given_below_the_threshold_in_one_way_always() -> None:
    """Not an empty text here and a low score there: transformers issues 14277 and 18719."""
    rng = np.random.default_rng(3)
    pairs = [(window, output(window, rng, "x" * 20)) for window in windows(20, 20, 0)]
    margin = merged(AnswerRules(), pairs).details["margin"]
    given = merged(AnswerRules(threshold=margin - 0.1), pairs)
    none = merged(AnswerRules(threshold=margin + 0.1), pairs)
    assert given.prediction is not None
    assert none.prediction is None
    assert none.score == none.details["no_answer_score"]
    assert none.details["start"] is None
    assert none.details["end"] is None
    # What would have been given is still there to be looked at.
    assert none.details["answers"] == given.details["answers"]


def test_the_score_of_no_answer_is_the_smallest_of_the_windows() -> None:
    rng = np.random.default_rng(5)
    pairs = [(window, output(window, rng, "x" * 60)) for window in windows(60, 20, 5)]
    before = merged(AnswerRules(), pairs).details["margin"]
    pairs[1][1]["start_logits"][0] = 50.0
    assert merged(AnswerRules(), pairs).details["margin"] <= before
    lowest = min(range(len(pairs)), key=lambda at: pairs[at][1]["end_logits"][0])
    pairs[lowest][1]["end_logits"][0] = -50.0
    assert merged(AnswerRules(), pairs).details["margin"] > before + 40


def test_tokens_of_white_space_neither_begin_nor_end_an_answer() -> None:
    text = "a   b"
    (window,) = windows(5, 10, 0)
    each = output(window, np.random.default_rng(0), text)
    each["offsets"] = np.array([[0, 1], [1, 1], [1, 1], [1, 1], [4, 5]])
    each["start_logits"][FIRST + 2] = each["end_logits"][FIRST + 2] = 9.0
    result = merged(AnswerRules(top=5), [(window, each)])
    assert {one["answer"] for one in result.details["answers"]} <= {"a", "b", "a   b"}


def test_the_receipt_says_where_long_answers_were_not_looked_for() -> None:
    rng = np.random.default_rng(0)
    pairs = [(window, output(window, rng, "x" * 90)) for window in windows(90, 20, 4)]
    (note,) = merged(AnswerRules(longest=12), pairs).receipt.notes
    assert "--overlap 11" in note
    assert merged(AnswerRules(longest=5), pairs).receipt.notes == ()


def test_a_context_of_many_windows_is_held_in_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("abcdefgh"), 6000))
    merger = AnswerMerger("r", AnswerRules(top=2, longest=4))
    most = 0
    for window in windows(6000, 20, 4):
        merger.add(window, output(window, rng, text))
        most = max(most, len(pickle.dumps(merger)))
    assert most < 10_000
    assert merger.finish().receipt.windows > 300
