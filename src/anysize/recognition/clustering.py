"""How many people speak, and who of them in each window: clustering of embeddings in one pass.

Average linkage (Sokal and Michener 1958) under the cosine. Of unit vectors the mean similarity of
two groups is the product of their sums over the product of their sizes, so that groups are joined
by their sums alone: as many groups as ``MOST`` are held, and the nearest ones are joined whenever
there are more. What is kept of each vector is a byte a number, to be assigned in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.recognition.pairs import unit_vectors

MOST = 600
"""Groups that are held at a time."""
_LEFT = 400
_STEPS = 127
_BLOCK = 512
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Speakers:
    """What the clustering found.

    Attributes:
        centres: ``[speakers, width]`` of length one, who speaks most first.
        labels: of each vector, the number of its speaker, ``[n]``.
        nearness: cosine of each vector to its speaker's centre, ``[n]``.
        second: number of the next nearest speaker, ``[n]``; its own where there is only one.
        ambiguity: cosine to the next nearest one, ``[n]``; -1 where there is only one.
    """

    centres: NDArray[np.float32]
    labels: NDArray[np.int64]
    nearness: NDArray[np.float32]
    second: NDArray[np.int64]
    ambiguity: NDArray[np.float32]


class VoiceClusters:
    """Takes vectors in order; what is held beside a byte for each of their numbers is bounded.

    Args:
        most: groups that are held at a time.
    """

    def __init__(self, most: int = MOST) -> None:
        if most < 2:
            raise ConfigurationError(f"most must be at least 2, not {most}")
        self._most = most
        self._sums: NDArray[np.float64] | None = None
        self._sizes = np.zeros(most + 1)
        self._count = 0
        self._kept = bytearray()
        self._width = 0

    def __len__(self) -> int:
        return len(self._kept) // self._width if self._width else 0

    def add(self, vector: NDArray[np.floating]) -> None:
        """Takes the next vector ``[width]`` of any length but zero."""
        unit = unit_vectors(vector[None])[0]
        self._kept += np.round(unit * (_STEPS / np.abs(unit).max())).astype(np.int8).tobytes()
        if self._sums is None:
            self._width = len(unit)
            self._sums = np.zeros((self._most + 1, len(unit)))
        self._sums[self._count], self._sizes[self._count] = unit, 1.0
        self._count += 1
        if self._count > self._most:
            self._join(_LEFT * self._most // MOST or 1, None)

    def speakers(self, number: int | None, threshold: float, least: float = 0.0) -> Speakers:
        """The speakers of all vectors so far; there is at least one vector.

        Args:
            number: how many there are; None finds it out.
            threshold: lowest mean cosine at which groups are one speaker, where ``number`` is
                None.
            least: share of the vectors that a speaker has at least, where ``number`` is None;
                smaller groups go to the nearest speaker.
        """
        if self._sums is None:
            raise ConfigurationError("there are no vectors to cluster")
        self._join(number or 1, None if number else threshold)
        sums, sizes = self._sums[: self._count], self._sizes[: self._count]
        if number is None:
            enough = sizes >= least * sizes.sum()
            enough[int(sizes.argmax())] = True
            sums = sums[enough]
        centres = unit_vectors(sums)
        for _ in range(_ROUNDS):
            labels = self._assigned(centres)[0]
            centres = self._means(labels, centres)
        labels, nearness, second, ambiguity = self._assigned(centres)
        order = np.argsort(-np.bincount(labels, minlength=len(centres)), kind="stable")
        order = order[np.isin(order, labels)]
        rank = np.zeros(len(centres), np.int64)
        rank[order] = np.arange(len(order))
        return Speakers(centres[order], rank[labels], nearness, rank[second], ambiguity)

    def _join(self, number: int, threshold: float | None) -> None:
        """Joins the nearest groups until there are ``number``, or none are near enough."""
        assert self._sums is not None
        sums, sizes = self._sums[: self._count], self._sizes[: self._count]
        likeness = (sums @ sums.T) / np.outer(sizes, sizes)
        np.fill_diagonal(likeness, -np.inf)
        there = np.ones(self._count, bool)
        nearest = likeness.max(axis=1)
        for _ in range(self._count - number):
            one = int(nearest.argmax())
            if threshold is not None and nearest[one] < threshold:
                break
            other = int(likeness[one].argmax())
            one, other = min(one, other), max(one, other)
            mine, its = sizes[one], sizes[other]
            joined = (mine * likeness[one] + its * likeness[other]) / (mine + its)
            sums[one] += sums[other]
            sizes[one] += its
            there[other] = False
            joined[one] = joined[~there] = -np.inf
            likeness[one], likeness[:, one] = joined, joined
            likeness[other] = likeness[:, other] = -np.inf
            # Whose nearest was one of the two looks again; for the others only this row changed.
            nearest = likeness.max(axis=1)
        self._count = int(there.sum())
        self._sums[: self._count], self._sizes[: self._count] = sums[there], sizes[there]

    def _assigned(
        self, centres: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        """Of each vector: its nearest centre, the cosine, the next nearest, its cosine."""
        parts = []
        for _, block in self._blocks():
            scores = block @ centres.T
            rows = np.arange(len(scores))
            best = scores.argmax(axis=1)
            near = scores[rows, best].copy()
            scores[rows, best] = -np.inf
            after = scores.argmax(axis=1) if len(centres) > 1 else best
            far = scores[rows, after] if len(centres) > 1 else np.full(len(rows), -1, np.float32)
            parts.append((best, near, after, far))
        found = [np.concatenate(each) for each in zip(*parts, strict=True)]
        return found[0], found[1], found[2], found[3]

    def _means(
        self, labels: NDArray[np.int64], centres: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The directions of the vectors of each label; the centre as it was where it has none."""
        sums = np.zeros(centres.shape)
        for start, block in self._blocks():
            np.add.at(sums, labels[start : start + len(block)], block)
        empty = np.bincount(labels, minlength=len(centres)) == 0
        sums[empty] = centres[empty]
        return unit_vectors(sums)

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All vectors at length one, some hundred at a time, with the first's number."""
        for start in range(0, len(self), _BLOCK):
            part = self._kept[start * self._width : (start + _BLOCK) * self._width]
            yield start, unit_vectors(np.frombuffer(part, np.int8).reshape(-1, self._width))
