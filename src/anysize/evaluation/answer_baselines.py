"""What a reader of a context has to beat: the sentence that shares most with the question."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator

from anysize.core.records import TextField
from anysize.tasks.answer_scores import by_characters, segments

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_LONGEST = 1000


def sentences(text: TextField) -> Iterator[str]:
    """The sentences of a text that is read as a stream; those over 1,000 characters in parts."""
    held = ""
    for chunk in text.chunks():
        held += chunk
        *whole, held = _END.split(held)
        yield from filter(None, map(str.strip, whole))
        while len(held) > _LONGEST:
            yield held[:_LONGEST]
            held = held[_LONGEST:]
    yield from filter(None, map(str.strip, _END.split(held)))


def most_similar(context: TextField, question: str) -> str:
    """The sentence that shares the rarest words with a question; the first where none does.

    A word of the question counts by the logarithm of how rare it is among the sentences (TF-IDF),
    and a sentence is worth what its words of the question count, over the root of its length. Of
    scripts without spaces pairs of characters are compared.
    """
    wanted = frozenset(_terms(question))
    seen: Counter[str] = Counter()
    # Of the sentences with the same words of the question the shortest is the best.
    best: dict[frozenset[str], tuple[int, str]] = {}
    count = 0
    for sentence in sentences(context):
        count += 1
        terms = _terms(sentence)
        shared = wanted.intersection(terms)
        seen.update(shared)
        if shared not in best or len(terms) < best[shared][0]:
            best[shared] = len(terms), sentence
    if not best:
        return ""

    def worth(item: tuple[frozenset[str], tuple[int, str]]) -> float:
        shared, (length, _) = item
        return sum(math.log(1 + count / seen[term]) for term in shared) / math.sqrt(length or 1)

    return max(best.items(), key=worth)[1][1]


def _terms(text: str) -> list[str]:
    found = segments(text)
    if not by_characters(text):
        return found
    pairs = [one + other for one, other in itertools.pairwise(found)]
    return pairs or found
