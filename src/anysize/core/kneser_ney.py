"""Modified Kneser-Ney smoothing (Chen and Goodman 1998, TR-10-98): what a language model must beat.

Orders are interpolated, and counts of lower orders are of different words before (continuation
counts). The beginning of a document is filled up with a mark, so that every token has a context of
full length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grams = NDArray[np.int64]
"""n-grams, ``[number, order]``: each row a token and those before it."""

_USUAL = (0.5, 1.0, 1.5)


class _Level:
    """The n-grams of one order: how often each is there, and what follows each context.

    Args:
        grams: ``[number, order]``, repeated as often as they count.
        size: of the vocabulary, the mark at the beginning included.
    """

    def __init__(self, grams: Grams, size: int) -> None:
        self._size = size
        self._keys: list[NDArray[np.int64]] = []
        rank = np.zeros(len(grams), np.int64)
        contexts = rank
        for column in range(grams.shape[1]):
            contexts = rank
            keys, first, rank = np.unique(
                rank * size + grams[:, column], return_index=True, return_inverse=True
            )
            self._keys.append(keys)
        counts = np.bincount(rank)
        self.types: Grams = grams[first]
        self._counts = counts
        self.discounts = discounts_of(counts)
        owner = contexts[first]
        self._totals = np.bincount(owner, counts)
        self._held = np.bincount(owner, self._discount(counts))

    def probabilities(self, grams: Grams, lower: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each gram's last token after the others, given that of the order below."""
        rank = np.zeros(len(grams), np.int64)
        context = rank
        for column, keys in enumerate(self._keys):
            context = rank
            wanted = np.where(rank >= 0, rank * self._size + grams[:, column], -1)
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            rank = np.where(keys[place] == wanted, place, -1)
        counts = np.where(rank >= 0, self._counts[rank], 0)
        known = context >= 0
        totals = np.where(known, self._totals[context], 1.0)
        own = np.maximum(counts - self._discount(counts), 0.0) / totals
        rest = np.where(known, self._held[context] / totals, 1.0)
        found: NDArray[np.float64] = np.where(known, own, 0.0) + rest * lower
        return found

    def _discount(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.array((0.0, *self.discounts))[np.minimum(counts, 3)]
        return found


def discounts_of(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """What is taken from counts of one, of two, and of three and more (equation 26).

    Where there are too few different counts to estimate it, 0.5, 1 and 1.5.
    """
    ones, twos, threes, fours = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if not ones or not twos or not threes:
        return _USUAL
    part = ones / (ones + 2 * twos)
    found = (
        1 - 2 * part * twos / ones,
        2 - 3 * part * threes / twos,
        3 - 4 * part * fours / threes,
    )
    if any(not 0 <= each <= most for each, most in zip(found, (1, 2, 3), strict=True)):
        return _USUAL
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens of a text of which the first ones are only context.

    Attributes:
        tokens: int64.
        first: the first one that is predicted.
    """

    tokens: NDArray[np.int64]
    first: int


class KneserNey:
    """A language model of n-grams.

    Args:
        stretches: the training text.
        vocabulary: how many tokens there are.
        order: tokens of the longest n-gram, at least 2.
        most: tokens after which the rest of the text is left unread.

    Attributes:
        tokens: how many were learned from.
        complete: whether that was all of the text.

    Raises:
        ValueError: there is no text.
    """

    def __init__(
        self,
        stretches: Iterable[Stretch],
        vocabulary: int,
        *,
        order: int = 5,
        most: int = 2_000_000,
    ) -> None:
        self._order, self._vocabulary = order, vocabulary
        parts: list[Grams] = []
        self.tokens, self.complete = 0, True
        for stretch in stretches:
            if self.tokens >= most:
                self.complete = False
                break
            parts.append(grams_of(stretch, order, vocabulary))
            self.tokens += len(parts[-1])
        if not self.tokens:
            raise ValueError("there is no text to count n-grams in")
        grams = np.concatenate(parts)
        self._unigrams = np.bincount(grams[:, -1], minlength=vocabulary)
        self._levels: list[_Level] = []
        for _ in range(order):
            level = _Level(grams, vocabulary + 1)
            self._levels.insert(0, level)
            grams = level.types[:, 1:]

    def losses(self, stretch: Stretch) -> NDArray[np.float64]:
        """Minus the natural logarithm of each predicted token's probability."""
        return self._losses(grams_of(stretch, self._order, self._vocabulary))

    def _losses(self, grams: Grams) -> NDArray[np.float64]:
        found = np.full(len(grams), 1 / self._vocabulary)
        for order, level in enumerate(self._levels, 1):
            found = level.probabilities(grams[:, self._order - order :], found)
        losses: NDArray[np.float64] = -np.log(found)
        return losses

    def next_losses(self, before: Sequence[int]) -> NDArray[np.float64]:
        """The same of every token of the vocabulary after others, ``[vocabulary]``.

        Args:
            before: the tokens in front, from the beginning of a text or at least ``order - 1``.
        """
        context = np.full(self._order - 1, self._vocabulary, np.int64)
        last = list(before)[-(self._order - 1) :]
        if last:
            context[-len(last) :] = last
        grams = np.empty((self._vocabulary, self._order), np.int64)
        grams[:, :-1] = context
        grams[:, -1] = np.arange(self._vocabulary)
        return self._losses(grams)

    def unigram_losses(self, stretch: Stretch) -> NDArray[np.float64]:
        """The same by how often a token is in the training text, one added to every count."""
        counts = self._unigrams[stretch.tokens[stretch.first :]] + 1
        total = self.tokens + self._vocabulary
        found: NDArray[np.float64] = np.log(total) - np.log(counts)
        return found


def grams_of(stretch: Stretch, order: int, mark: int) -> Grams:
    """The n-gram that ends with each predicted token, filled up with the mark at the beginning."""
    filled = np.concatenate([np.full(order - 1, mark, np.int64), stretch.tokens])
    windows = np.lib.stride_tricks.sliding_window_view(filled, order)
    return np.ascontiguousarray(windows[stretch.first :])


def stretches_of(
    windows: Iterable[tuple[NDArray[np.int32], NDArray[np.int32]]], context: int = 4
) -> Iterator[Stretch]:
    """What windows for language models predict, with the tokens before it.

    Args:
        windows: ids and labels of each; see ``windows.language``.
        context: tokens before that are kept.
    """
    for ids, labels in windows:
        places = np.flatnonzero(labels >= 0)
        # In a conversation there may be several answers, with what is not predicted between them.
        for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            if not len(run):
                continue
            first = int(run[0])
            before = ids[max(first + 1 - context, 0) : first + 1]
            tokens = np.concatenate([before, labels[run]]).astype(np.int64)
            yield Stretch(tokens, len(before))
