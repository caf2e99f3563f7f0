"""How central sentences are to their text, while the text is still being read.

The middle of a text is the sum over all of its sentences, so that it is known without holding them:
sentences are ranked by their cosine with it (centroid-based summarization, Radev et al. 2004).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.rouge import words

TERMS = 1 << 18
"""Places for the words of a text; each word has one by its checksum."""


class Space(ABC):
    """Vectors of sentences, and the middle of all that were added."""

    def reduced(self, output: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is to be kept of a window's output for `add`; no view of a whole batch's."""
        return output

    @abstractmethod
    def add(self, output: Mapping[str, Any]) -> list[Any]:
        """Takes a window's sentences; gives what is to be held of each to rank it."""

    @abstractmethod
    def centrality(self, held: Sequence[Any]) -> NDArray[np.float64]:
        """The cosine of sentences with the middle of all that were added, ``[sentences]``."""

    @abstractmethod
    def likeness(self, held: Sequence[Any], other: Any) -> NDArray[np.float64]:
        """The cosine of sentences with one of them, ``[sentences]``."""


class Embeddings(Space):
    """The mean of a sentence's token states, at length one (``logits`` ``[tokens, width]``)."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None

    def reduced(self, output: Mapping[str, Any]) -> Mapping[str, Any]:
        mean = np.asarray(output["logits"], np.float64).mean(0)
        return {**output, "logits": None, "mean": mean}

    def add(self, output: Mapping[str, Any]) -> list[Any]:
        mean = output["mean"]
        length = np.sqrt(mean @ mean)
        vector = mean / length if length else mean
        self._sum = vector if self._sum is None else self._sum + vector
        return [vector.astype(np.float32)]

    def centrality(self, held: Sequence[Any]) -> NDArray[np.float64]:
        assert self._sum is not None
        length = np.sqrt(self._sum @ self._sum) or 1.0
        return self.likeness(held, self._sum / length)

    def likeness(self, held: Sequence[Any], other: Any) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.stack(held).astype(np.float64) @ other
        return found


class Terms(Space):
    """Words by how often they are in a sentence and in how few of the sentences (TF-IDF)."""

    def __init__(self) -> None:
        self._frequency = np.zeros(TERMS)
        self._sentences = np.zeros(TERMS)
        self._count = 0

    def add(self, output: Mapping[str, Any]) -> list[Any]:
        stops = np.cumsum(output["lengths"])[:-1]
        held = list(
            zip(np.split(output["terms"], stops), np.split(output["counts"], stops), strict=True)
        )
        for terms, counts in held:
            self._frequency[terms] += counts
            self._sentences[terms] += 1
        self._count += len(held)
        return held

    def centrality(self, held: Sequence[Any]) -> NDArray[np.float64]:
        known = np.flatnonzero(self._frequency)
        return self._cosines(held, known, self._frequency[known])

    def likeness(self, held: Sequence[Any], other: Any) -> NDArray[np.float64]:
        return self._cosines(held, *other)

    def _weights(self, terms: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
        """At length one: how often by how rare."""
        found: NDArray[np.float64] = counts * np.log1p(self._count / self._sentences[terms])
        return found / (np.sqrt(found @ found) or 1.0)

    def _cosines(
        self, held: Sequence[Any], terms: NDArray[Any], counts: NDArray[Any]
    ) -> NDArray[np.float64]:
        other = np.zeros(TERMS)
        other[terms] = self._weights(terms, counts)
        return np.array([self._weights(*each) @ other[each[0]] for each in held])


def term_arrays(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """What `Terms` takes of sentences: places of their words, how often each, how many different.

    Args:
        texts: of the sentences.
    """
    from zlib import crc32

    terms: list[int] = []
    counts: list[int] = []
    lengths: list[int] = []
    for text in texts:
        found: dict[int, int] = {}
        for word in words(text):
            place = crc32(word.encode()) % TERMS
            found[place] = found.get(place, 0) + 1
        terms += found.keys()
        counts += found.values()
        lengths.append(len(found))
    return {
        "terms": np.array(terms, np.int32),
        "counts": np.array(counts, np.int32),
        "lengths": np.array(lengths, np.int64),
    }


def chosen(
    space: Space, held: Sequence[Any], central: NDArray[np.float64], count: int, diversity: float
) -> list[int]:
    """Places of the sentences that say most and repeat each other least, the best one first.

    Maximal marginal relevance (Carbonell and Goldstein 1998).

    Args:
        space: that ranks them.
        held: the sentences.
        central: how central each is.
        count: how many are wanted.
        diversity: 0 to 1, what likeness to one that is chosen weighs against being central.
    """
    found: list[int] = []
    nearest = np.full(len(held), -np.inf)
    open_ = np.ones(len(held), np.bool_)
    while len(found) < min(count, len(held)):
        value = (1 - diversity) * central
        if found:
            value = value - diversity * nearest
        value = np.where(open_, value, -np.inf)
        best = int(value.argmax())
        found.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, space.likeness(held, held[best]))
    return found
