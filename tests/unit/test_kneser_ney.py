"""Kneser-Ney against its formulas written out, and against numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from anysize.core.kneser_ney import KneserNey, Stretch, discounts_of, stretches_of


def stretch(*tokens: int, first: int = 0) -> Stretch:
    return Stretch(np.array(tokens, np.int64), first)


def written_out(text: list[int], order: int, size: int) -> dict[tuple[int, ...], float]:
    """Probabilities of all tokens after all contexts, by dictionaries."""
    filled = [size] * (order - 1) + text
    grams = [tuple(filled[at : at + order]) for at in range(len(text))]
    counts = {order: Counter(grams)}
    for shorter in range(order - 1, 0, -1):
        counts[shorter] = Counter(gram[1:] for gram in counts[shorter + 1])

    def probability(context: tuple[int, ...], word: int) -> float:
        level = len(context) + 1
        lower = probability(context[1:], word) if context else 1 / size
        after = {gram: n for gram, n in counts[level].items() if gram[:-1] == context}
        if not after:
            return lower
        found = (0.0, *discounts_of(np.array(list(counts[level].values()))))
        total = sum(after.values())
        own = after.get((*context, word), 0)
        kept = max(own - found[min(own, 3)], 0) / total
        return kept + sum(found[min(n, 3)] for n in after.values()) / total * lower

    return defaultdict(
        float,
        {
            (*context, word): probability(context, word)
            for context in itertools.product(range(size), repeat=order - 1)
            for word in range(size)
        },
    )


def test_it_is_its_formulas() -> None:
    random = np.random.default_rng(3)
    size, order = 4, 3
    text = random.choice(size, 60, p=[0.5, 0.3, 0.15, 0.05]).tolist()
    model = KneserNey([stretch(*text)], size, order=order)
    wanted = written_out(text, order, size)
    for gram in itertools.product(range(size), repeat=order):
        loss = model.losses(stretch(*gram, first=order - 1))
        assert math.exp(-loss[0]) == pytest.approx(wanted[gram], rel=1e-12)
    for context in itertools.product(range(size), repeat=order - 1):
        total = sum(
            math.exp(-model.losses(stretch(*context, word, first=2))[0]) for word in range(size)
        )
        assert total == pytest.approx(1, rel=1e-12)


def test_numbers_by_hand() -> None:
    """The text ``0 1 0 1`` of two words; too few counts, so 0.5, 1 and 1.5 are taken away.

    Bigrams: mark 0 once, 0 1 twice, 1 0 once. Words before: 0 has two, 1 has one.
    """
    model = KneserNey([stretch(0, 1, 0, 1)], 2, order=2)
    unigram_0 = (2 - 1) / 3 + 1.5 / 3 * 0.5
    unigram_1 = (1 - 0.5) / 3 + 1.5 / 3 * 0.5
    after_0 = model.losses(stretch(0, 1, first=1))[0]
    assert math.exp(-after_0) == pytest.approx((2 - 1) / 2 + 1 / 2 * unigram_1)
    after_1 = model.losses(stretch(1, 0, first=1))[0]
    assert math.exp(-after_1) == pytest.approx((1 - 0.5) / 1 + 0.5 / 1 * unigram_0)
    assert unigram_0 + unigram_1 == pytest.approx(1)
    assert np.exp(-model.unigram_losses(stretch(0, 1))) == pytest.approx([3 / 6, 3 / 6])


def test_discounts_by_hand() -> None:
    """Four of one, two of two, one of three, one of four: Y is 1/2."""
    found = discounts_of(np.array([1, 1, 1, 1, 2, 2, 3, 4]))
    assert found == pytest.approx((1 - 2 * 0.5 * 2 / 4, 2 - 3 * 0.5 * 1 / 2, 3 - 4 * 0.5 * 1 / 1))
    assert discounts_of(np.array([1, 1, 5])) == (0.5, 1.0, 1.5)


def test_text_beyond_the_limit_is_said_to_be_left_out() -> None:
    model = KneserNey((stretch(0, 1, 0) for _ in range(5)), 2, order=2, most=6)
    assert model.tokens == 6 and not model.complete
    with pytest.raises(ValueError, match="no text"):
        KneserNey([], 2)


def test_windows_give_each_token_its_context_once() -> None:
    ids = np.array([7, 1, 2, 3, 4, 5], np.int32)
    labels = np.array([-100, -100, -100, -100, 5, 6], np.int32)
    (found,) = stretches_of([(ids, labels), (ids, np.full(6, -100, np.int32))])
    assert found.tokens.tolist() == [1, 2, 3, 4, 5, 6] and found.first == 4


def test_answers_of_a_window_are_stretches_of_their_own() -> None:
    ids = np.array([7, 1, 2, 3, 4, 5, 6], np.int32)
    labels = np.array([-100, 2, 3, -100, -100, 6, 8], np.int32)
    one, two = stretches_of([(ids, labels)], context=2)
    assert one.tokens.tolist() == [7, 1, 2, 3] and one.first == 2
    assert two.tokens.tolist() == [4, 5, 6, 8] and two.first == 2
