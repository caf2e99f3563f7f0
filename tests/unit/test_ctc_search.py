"""Searches over steps: one collapse whatever the pieces, probabilities, words and times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anysize.core.ctc import BestPath, Search, Spoken, Steps
from anysize.core.ctc_beam import BeamOptions, BeamSearch
from anysize.core.ctc_words import Lines, Reading
from anysize.core.windows import Span, Window
from anysize.mergers import make

BLANK = 0
PIECES = ("", "a", "b", " ", "北", "京")


def collapsed(path: Sequence[int]) -> list[int]:
    """The definition: runs are one token, blanks nothing."""
    return [token for token, _ in itertools.groupby(path) if token != BLANK]


def sharp(path: Sequence[int], vocabulary: int = len(PIECES)) -> NDArray[np.float32]:
    """Logits whose best path is this one."""
    logits = np.full((len(path), vocabulary), -4.0, np.float32)
    logits[np.arange(len(path)), list(path)] = 4.0
    return logits


def found(
    search: Search, logits: NDArray[np.float32], cuts: Sequence[int], kept: int
) -> list[Spoken]:
    edges = [0, *sorted(cuts), len(logits)]
    pieces = [logits[first:last] for first, last in itertools.pairwise(edges)]
    spoken = [each for piece in pieces for each in search.add(Steps.of(piece, BLANK, kept))]
    return [*spoken, *search.rest()]


paths = st.lists(st.integers(0, len(PIECES) - 1), max_size=30)


@given(paths, st.data())
def test_pieces_are_collapsed_once(path: list[int], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(path)), max_size=5))
    whole = found(BestPath(BLANK), sharp(path), [], 1)
    assert [each.token for each in whole] == collapsed(path)
    assert found(BestPath(BLANK), sharp(path), cuts, 1) == whole
    for each in whole:
        assert all(path[step] == each.token for step in range(each.start, each.stop))


def best_text(logits: NDArray[np.float32]) -> list[int]:
    """By the sum over all paths, one by one."""
    chances = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True)))
    totals: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        text = tuple(collapsed(path))
        chance = math.prod(chances[step, token] for step, token in enumerate(path))
        totals[text] = totals.get(text, 0.0) + chance
    return list(max(totals, key=lambda text: totals[text]))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_wide_beam_finds_the_most_probable_text(seed: int, steps: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1.5, (steps, 3)).astype(np.float32)
    search = BeamSearch(BLANK, BeamOptions(beams=200))
    assert [each.token for each in found(search, logits, [], 3)] == best_text(logits)


def test_the_best_path_is_not_always_the_best_text() -> None:
    # 0.4 * 0.4 for nothing at all, 1 - 0.16 for the one token that all other paths give.
    logits = np.log(np.array([[0.4, 0.3, 0.3], [0.4, 0.6, 1e-9]], np.float32))
    assert best_text(logits) == [1]
    assert [each.token for each in found(BeamSearch(BLANK, BeamOptions()), logits, [], 3)] == [1]


@given(st.integers(0, 1000), st.data())
def test_a_beam_gives_the_same_in_pieces(seed: int, data: st.DataObject) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (25, 4)).astype(np.float32)
    cuts = data.draw(st.lists(st.integers(0, 25), max_size=4))
    options = BeamOptions(beams=8)
    whole = found(BeamSearch(BLANK, options), logits, [], 4)
    assert found(BeamSearch(BLANK, options), logits, cuts, 4) == whole


def test_a_beam_lets_go_of_what_is_settled() -> None:
    search = BeamSearch(BLANK, BeamOptions(beams=8))
    steps = Steps.of(sharp([1, 0, 2, 0] * 10), BLANK, 4)
    given_out = [len(list(search.add(steps))) for _ in range(4)]
    assert sum(given_out) >= 3 * 20  # 20 tokens a piece, all but those of the last steps


class Prefers:
    """A language model that finds one token probable, or a text that ends with it."""

    def __init__(self, token: int, *, late: bool = False) -> None:
        self._scores = np.log(np.where(np.arange(3) == token, 0.98, 0.01))
        self._late = late

    def start(self) -> tuple[int, ...]:
        return ()

    def after(self, state: tuple[int, ...], token: int) -> tuple[int, ...]:
        return (*state, token)

    def scores(
        self, states: Sequence[tuple[int, ...]], tokens: Sequence[int]
    ) -> NDArray[np.float64]:
        found = self._scores[list(tokens)]
        return np.tile(np.zeros_like(found) if self._late else found, (len(states), 1))

    def ending(self, states: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
        if not self._late:
            return np.zeros(len(states))
        return np.array([self._scores[state].sum() if state else 0.0 for state in
                         map(list, states)])  # fmt: skip


def test_a_language_model_decides_between_what_sounds_alike() -> None:
    logits = np.log(np.array([[0.02, 0.5, 0.48]] * 1 + [[0.98, 0.01, 0.01]], np.float32))
    plain = found(BeamSearch(BLANK, BeamOptions()), logits, [], 3)
    assert [each.token for each in plain] == [1]
    for late in (False, True):
        language = Prefers(2, late=late)
        weighed = found(BeamSearch(BLANK, BeamOptions(weight=1.0), language), logits, [], 3)
        assert [each.token for each in weighed] == [2]


def test_tokens_become_words_with_times() -> None:
    path = [1, 1, 0, 2, 3, 3, 0, 2, 0, 0, 3, 4, 5, 0, 1]
    lines = Lines(Reading(pieces=PIECES, step=40.0))
    segments = [
        segment
        for spoken in found(BestPath(BLANK), sharp(path), [], 1)
        for segment in lines.add(spoken)
    ]
    segments += lines.rest()
    (segment,) = segments
    assert segment.text == "ab b 北京a"
    assert [(word.text, word.start, word.end) for word in segment.words] == [
        (" ab", 0, 160), (" b", 280, 320), (" 北", 440, 480), ("京", 480, 520), ("a", 560, 600),
    ]  # fmt: skip
    assert (segment.start, segment.end) == (0, 600)
    assert segment.score is not None
    assert segment.score > 0.9


def test_subwords_begin_with_their_blank_and_pauses_end_segments() -> None:
    pieces = ("", " ne", "ver", " mind")
    lines = Lines(Reading(pieces=pieces, step=100.0, words=False))
    tokens = [Spoken(1, 0, 2, -0.1), Spoken(2, 2, 3, -0.1), Spoken(3, 30, 32, -0.1)]
    segments = [segment for token in tokens for segment in lines.add(token)]
    segments += lines.rest()
    assert [(each.text, each.start, each.end) for each in segments] == [
        ("never", 0, 300), ("mind", 3000, 3200),
    ]  # fmt: skip
    assert segments[0].words == ()


@pytest.mark.parametrize("exact", [True, False])
def test_windows_are_joined_in_any_order(exact: bool) -> None:
    path = [1, 1, 1, 0, 2, 2, 3, 0, 1, 1]  # a run goes over the first seam
    logits = sharp(path)
    reading = Reading(pieces=PIECES, step=10.0)
    windows = []
    for index, (first, last) in enumerate([(0, 2), (2, 5), (5, 10)]):
        span = Span(first * 160, last * 160)
        window = Window(record="r", index=index, region=span, core=span, last=last == 10)
        output = {
            "steps": Steps.of(logits[first:last], BLANK), "search": lambda: BestPath(BLANK),
            "reading": reading, "exact": exact, "rate": 16_000,
        }  # fmt: skip
        windows.append((window, output))
    results = []
    for order in itertools.permutations(windows):
        merger = make("r", (), "ctc", "samples")
        for window, output in order:
            merger.add(window, output)
        results.append(merger.finish())
    assert all(each == results[0] for each in results)
    assert results[0].prediction == "ab a"
    assert results[0].details["seams"] == [20, 50]
    assert results[0].receipt.fidelity == ("exact" if exact else "approximate")
    assert (results[0].receipt.extent, results[0].receipt.covered) == (1600, 1.0)
    assert bool(results[0].receipt.notes) != exact


def test_a_text_file_weighs_the_search(tmp_path: Path) -> None:
    from anysize.core.errors import ConfigurationError
    from anysize.models.ctc_vocabulary import CTCTokens, train_vocabulary
    from anysize.tasks.speech.ngram import NGram

    tokenizer = train_vocabulary(["abc"], "characters", 100)
    pieces = ("", "", "a", "b", "c")
    tokens = CTCTokens(pieces, 0, tokenizer, {})
    path = tmp_path / "text.txt"
    path.write_text("abab\n" * 20 + "ac\n", encoding="utf-8")
    model = NGram(str(path), tokens)
    after = np.exp(model((2,)))
    assert after.sum() == pytest.approx(1.0)
    assert after[3] > 0.5 > after[4] > after[2]
    with pytest.raises(ConfigurationError, match="must be a text file"):
        NGram(str(tmp_path / "none.txt"), tokens)
