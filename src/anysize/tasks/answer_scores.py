"""How good an answer is: exact match and F1, as SQuAD 2 and CMRC 2018 count them.

An answer is compared with each of the right ones, and the best comparison counts. Of a question
without an answer, giving none is right. Rajpurkar et al. 2018 (arXiv:1806.03822): words are
compared without case, punctuation and the English articles, as bags. Cui et al. 2019
(arXiv:1810.07366), for answers in scripts without spaces between words: their characters count one
by one, and F1 is of the longest stretch that both have in common.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.scripts import UNSPACED

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_UNSPACED = "".join(f"{chr(start)}-{chr(stop - 1)}" for start, stop in UNSPACED)
_CHARACTERS = re.compile(f"[{_UNSPACED}]")
_SEGMENTS = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


class Match(NamedTuple):
    """How an answer compares with the right ones: both 0 to 1."""

    exact: float
    f1: float


NOTHING, ALL = Match(0.0, 0.0), Match(1.0, 1.0)


def compared(answer: str | None, right: Iterable[str]) -> Match:
    """The best comparison of an answer with the right ones.

    Args:
        answer: None where none is given.
        right: the right ones, of which there is none if the question has no answer. Those that are
            nothing but punctuation or an article do not count, as in the official script.
    """
    golds = [gold for gold in right if _normal(gold)]
    if not golds or answer is None:
        return ALL if not golds and answer is None else NOTHING
    found = [_pair(answer, gold) for gold in golds]
    return Match(max(one.exact for one in found), max(one.f1 for one in found))


def by_characters(text: str) -> bool:
    """Whether a text has characters of a script without spaces between words."""
    return _CHARACTERS.search(text) is not None


def segments(text: str) -> list[str]:
    """The words that F1 compares; of scripts without spaces the characters."""
    if by_characters(text):
        return _SEGMENTS.findall(text.lower())
    return _normal(text).split()


def _pair(answer: str, gold: str) -> Match:
    if by_characters(gold) or by_characters(answer):
        ours, theirs = _SEGMENTS.findall(answer.lower()), _SEGMENTS.findall(gold.lower())
        common = _longest_common(ours, theirs)
        exact = "".join(ours) == "".join(theirs)
    else:
        normal, other = _normal(answer), _normal(gold)
        ours, theirs = normal.split(), other.split()
        common = (Counter(ours) & Counter(theirs)).total()
        exact = normal == other
    if not common:
        return Match(float(exact), 0.0)
    return Match(float(exact), 2 * common / (len(ours) + len(theirs)))


def _normal(text: str) -> str:
    """In lower case, without punctuation, articles and further blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest stretch that two lists share."""
    best = 0
    before = [0] * (len(other) + 1)
    for mine in one:
        now = [0] * (len(other) + 1)
        for place, theirs in enumerate(other, 1):
            if mine == theirs:
                now[place] = before[place - 1] + 1
                best = max(best, now[place])
        before = now
    return best


class Cut(NamedTuple):
    """What a threshold of no answer gives.

    Attributes:
        threshold: an answer is given where its margin is above it.
        score: the mean over all records.
    """

    threshold: float
    score: float


def best_cut(
    margins: NDArray[np.float64], given: NDArray[np.float64], none: NDArray[np.float64]
) -> Cut:
    """The threshold with the best mean score.

    Args:
        margins: of each record's best answer above no answer, ``[records]``; minus infinity where
            there is no answer to give.
        given: what each scores if its answer is given.
        none: what each scores if none is.

    Among equals the lowest threshold is taken; it lies in the middle between two margins.
    """
    order = np.argsort(margins, kind="stable")
    sorted_margins = margins[order]
    # Of the first k in this order no answer is given.
    gains = np.concatenate([[0.0], np.cumsum((none - given)[order])])
    borders = np.concatenate([[True], sorted_margins[1:] > sorted_margins[:-1], [True]])
    totals = np.where(borders, given.sum() + gains, -np.inf)
    # Sums in another order differ in their last digits.
    place = int(np.flatnonzero(totals >= totals.max() - 1e-9)[0])
    finite = sorted_margins[np.isfinite(sorted_margins)]
    if not len(finite):
        threshold = 0.0
    elif place == 0 or not np.isfinite(sorted_margins[place - 1]):
        threshold = float(finite[0]) - 1.0
    elif place == len(margins):
        threshold = float(finite[-1]) + 1.0
    else:
        threshold = float(sorted_margins[place - 1] + sorted_margins[place]) / 2
    return Cut(threshold, float(totals[place]) / max(len(margins), 1))
