"""Which sentences of a long document its summary is about, for a model to be trained on.

A document that is longer than the model reads cannot be shown whole, and its first tokens need not
have what the summary says. The sentences are chosen greedily, each the one that raises ROUGE-1 and
ROUGE-2 of all chosen against the summary most (Nallapati et al. 2017, arXiv:1611.04230, section
2.2), until none does. What room is left goes to the sentences around them, the nearest first, so
that the model reads running text, and learns to choose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from anysize.core.rouge import words

Grams: TypeAlias = tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]
"""Words, and pairs of words, with how often they occur."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of the document.

    Attributes:
        size: what it takes of the room.
        lengths: how many words and pairs of words it has.
        hits: those that the summary has too, how often.
    """

    size: int
    lengths: tuple[int, int]
    hits: Grams


class Oracle:
    """Knows a summary, and chooses sentences for it.

    Args:
        summary: that is to be learned.
    """

    def __init__(self, summary: str) -> None:
        self._wanted = _grams(words(summary))

    def candidate(self, sentence: str, size: int) -> Candidate:
        """What is kept of a sentence.

        Args:
            sentence: its text.
            size: what it takes of the room.
        """
        grams = _grams(words(sentence))
        hits = [
            Counter({gram: count for gram, count in own.items() if gram in wanted})
            for own, wanted in zip(grams, self._wanted, strict=True)
        ]
        return Candidate(size, (grams[0].total(), grams[1].total()), (hits[0], hits[1]))

    def chosen(self, candidates: Sequence[Candidate], room: int) -> list[int]:
        """Places of the sentences that are shown, in the order of the document.

        Args:
            candidates: all sentences.
            room: what they may take together.
        """
        best = self._greedy(candidates, room)
        left = room - sum(candidates[place].size for place in best)
        return sorted(best + _around(candidates, best, left))

    def _greedy(self, candidates: Sequence[Candidate], room: int) -> list[int]:
        left = [place for place, each in enumerate(candidates) if each.hits[0]]
        chosen = _Chosen(self._wanted)
        taken: list[int] = []
        score = 0.0
        while True:
            left = [place for place in left if candidates[place].size <= room]
            values = [chosen.score_with(candidates[place]) for place in left]
            if not values or max(values) <= score:
                return taken
            score = max(values)
            place = left.pop(values.index(score))
            chosen.take(candidates[place])
            room -= candidates[place].size
            taken.append(place)


class _Chosen:
    """The words and pairs of words of the sentences that were chosen.

    Args:
        wanted: those of the summary.
    """

    def __init__(self, wanted: Grams) -> None:
        self._wanted = wanted
        self._held: Grams = Counter(), Counter()
        self._hits = [0, 0]
        self._lengths = [0, 0]

    def score_with(self, each: Candidate) -> float:
        """ROUGE-1 and ROUGE-2 (F1) with one sentence more, added."""
        return sum(
            2 * (self._hits[order] + self._gained(each, order))
            / max(self._lengths[order] + each.lengths[order] + self._wanted[order].total(), 1)
            for order in (0, 1)
        )  # fmt: skip

    def take(self, each: Candidate) -> None:
        """Chooses a sentence."""
        for order in (0, 1):
            self._hits[order] += self._gained(each, order)
            self._lengths[order] += each.lengths[order]
            self._held[order].update(each.hits[order])

    def _gained(self, each: Candidate, order: int) -> int:
        held, wanted = self._held[order], self._wanted[order]
        return sum(
            min(held[gram] + count, wanted[gram]) - min(held[gram], wanted[gram])
            for gram, count in each.hits[order].items()
        )


def _grams(found: Sequence[str]) -> Grams:
    return Counter((word,) for word in found), Counter(pairwise(found))


def _around(candidates: Sequence[Candidate], chosen: Iterable[int], room: int) -> list[int]:
    """Further sentences that fit, those nearest to a chosen one first; else from the beginning."""
    taken = set(chosen)
    centres = sorted(taken) or [0]
    reach = 0 if taken else -1
    more: list[int] = []
    while reach < len(candidates):
        reach += 1
        steps = (0,) if not reach else (-reach, reach)
        for place in dict.fromkeys(centre + step for centre in centres for step in steps):
            fits = 0 <= place < len(candidates) and place not in taken
            if fits and candidates[place].size <= room:
                taken.add(place)
                more.append(place)
                room -= candidates[place].size
        if room <= 0 or len(taken) == len(candidates):
            break
    return more
