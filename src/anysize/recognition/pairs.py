"""All pairs of a set of embeddings, in blocks: verification counts and identification rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.recognition.scores import ScoreCounts, bins_of, rates_of

BLOCK_VALUES = 1 << 22  # scores held at a time: 16 MiB

SAME_PICTURE = 0.9999
"""Cosine from which on two samples come from one picture: rounding alone is between them."""


def unit_vectors(vectors: NDArray[Any], origin: str = "embeddings") -> NDArray[np.float32]:
    """The vectors ``[n, width]`` at length one.

    Raises:
        DataError: not finite, or of length zero.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise DataError(origin, "a vector is zero or not finite; the model is not usable")
    unit: NDArray[np.float32] = (wide / lengths).astype(np.float32)
    return unit


def pair_counts(vectors: NDArray[np.float32], identities: NDArray[np.int64]) -> ScoreCounts:
    """Counts every pair of two different samples once.

    Args:
        vectors: ``[n, width]`` of length one.
        identities: ``[n]``.
    """
    counts = ScoreCounts()
    for start, scores in _blocks(vectors):
        rows = np.arange(start, start + len(scores))
        later = np.arange(len(vectors))[None, :] > rows[:, None]
        same = identities[rows][:, None] == identities[None, :]
        counts.add(scores[later], same[later])
    return counts


def rank_one(
    vectors: NDArray[np.float32], identities: NDArray[np.int64]
) -> tuple[float, float, NDArray[np.int64]]:
    """Two closed-set identification rates, and who was taken for whom.

    *Leave one out*: each sample searches all others; right when the most similar is of its
    identity. *One each*: the gallery holds a single sample of every identity, drawn at random; the
    rate is the expectation over all draws, computed exactly: a sample is right when the drawn
    sample of its identity is more similar than every other identity's. Ties count as wrong.
    Identities with one sample are in the gallery but are not searched for.

    Args:
        vectors: ``[n, width]`` of length one.
        identities: ``[n]``, numbers from 0.

    Returns:
        Leave-one-out rate, one-each rate, and each sample's nearest other sample ``[n]``.

    Raises:
        DataError: no identity has two samples.
    """
    sizes = np.bincount(identities)
    searched = sizes[identities] > 1
    if not searched.any():
        raise DataError("samples", "no identity has two of them, so nothing can be searched for")
    order = np.argsort(identities, kind="stable")
    sorted_vectors, sorted_ids = vectors[order], identities[order]
    starts = np.flatnonzero(np.diff(sorted_ids, prepend=-1))
    nearest = np.empty(len(vectors), dtype=np.int64)
    right = expected = 0.0
    for start, scores in _blocks(sorted_vectors):
        for row, line in enumerate(scores):
            place = start + row
            line[place] = -np.inf
            best = int(line.argmax())
            nearest[order[place]] = order[best]
            own = sorted_ids == sorted_ids[place]
            if not searched[order[place]]:
                continue
            mates = line[own]
            mates = mates[np.isfinite(mates)]
            right += bool(mates.max() > line[~own].max()) if (~own).any() else 1.0
            expected += _drawn_right(line, mates, own, starts)
    count = int(searched.sum())
    return right / count, expected / count, nearest


def closed_set(vectors: NDArray[np.float32], identities: NDArray[np.int64]) -> float:
    """Share of samples that a gallery of all the others gives the right name, nobody unknown.

    Each identity is one template, the direction of its samples' mean; a sample is left out of the
    template of its own. Identities with one sample are in the gallery but not searched for. Ties
    count as wrong.

    Args:
        vectors: ``[n, width]`` of length one.
        identities: ``[n]``, numbers from 0.

    Raises:
        DataError: no identity has two samples.
    """
    sizes = np.bincount(identities)
    searched = np.flatnonzero(sizes[identities] > 1)
    if not len(searched):
        raise DataError("samples", "no identity has two of them, so nothing can be searched for")
    sums = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(sums, identities, vectors.astype(np.float64))
    lengths = np.linalg.norm(sums, axis=1)
    templates = sums / np.where(lengths > 0, lengths, 1.0)[:, None]
    right, step = 0, max(1, BLOCK_VALUES // len(sizes))
    for start in range(0, len(searched), step):
        rows = searched[start : start + step]
        block, own = vectors[rows].astype(np.float64), identities[rows]
        scores = block @ templates.T
        scores[np.arange(len(rows)), own] = -np.inf
        rest = sums[own] - block
        length = np.linalg.norm(rest, axis=1)
        mine = np.einsum("ij,ij->i", block, rest) / np.where(length > 0, length, 1.0)
        right += int((mine > scores.max(axis=1)).sum())
    return right / len(searched)


def _drawn_right(
    line: NDArray[np.float32],
    mates: NDArray[np.float32],
    own: NDArray[np.bool_],
    starts: NDArray[np.int64],
) -> float:
    """How probable it is that the drawn mate beats every other identity's drawn sample."""
    stops = np.append(starts[1:], len(line))
    others = [
        np.sort(line[start:stop])
        for start, stop in zip(starts, stops, strict=True)
        if not own[start]
    ]
    chance = np.ones(len(mates))
    for scores in others:
        chance *= np.searchsorted(scores, mates, side="left") / len(scores)
    return float(chance.mean())


def extreme_pairs(
    vectors: NDArray[np.float32], identities: NDArray[np.int64], most: int
) -> tuple[list[tuple[int, int, float]], list[tuple[int, int, float]]]:
    """The least similar genuine and the most similar impostor pairs, worst first.

    Args:
        vectors: ``[n, width]`` of length one.
        identities: ``[n]``.
        most: of either kind.

    Returns:
        Two lists of ``(first, second, cosine)``, ``first`` below ``second``.
    """
    genuine: list[tuple[float, int, int]] = []
    impostor: list[tuple[float, int, int]] = []
    for start, scores in _blocks(vectors):
        rows = np.arange(start, start + len(scores))
        later = np.arange(len(vectors))[None, :] > rows[:, None]
        same = identities[rows][:, None] == identities[None, :]
        for held, chosen, badness in (
            (genuine, later & same, scores),
            (impostor, later & ~same, -scores),
        ):
            row, column = np.nonzero(chosen)
            values = badness[row, column]
            for place in np.argsort(values, kind="stable")[:most]:
                held.append((float(values[place]), int(row[place]) + start, int(column[place])))
            held.sort()
            del held[most:]
    return (
        [(first, second, score) for score, first, second in genuine],
        [(first, second, -score) for score, first, second in impostor],
    )


def bootstrap_equal_error(
    vectors: NDArray[np.float32],
    identities: NDArray[np.int64],
    *,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """A percentile interval of the equal error rate that draws *identities*, not pairs.

    Pairs share samples and people, so drawing pairs would promise far too much (Bolle, Ratha and
    Pankanti 2004, "Error analysis of pattern recognition systems: the subsets bootstrap").
    """
    people = int(identities.max()) + 1
    first, second = np.triu_indices(len(vectors), 1)
    scores = np.einsum("ij,ij->i", vectors[first], vectors[second])
    used, index = np.unique(bins_of(scores), return_inverse=True)
    left, right = identities[first], identities[second]
    same = left == right
    generator = np.random.default_rng(seed)
    rates: list[float] = []
    while len(rates) < replicates:
        drawn = generator.multinomial(people, np.full(people, 1 / people)).astype(np.float64)
        weight = np.where(same, drawn[left], drawn[left] * drawn[right])
        genuine = np.bincount(index[same], weight[same], len(used))
        impostor = np.bincount(index[~same], weight[~same], len(used))
        if genuine.sum() and impostor.sum():
            rates.append(rates_of(used, genuine, impostor).equal_error()[0])
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def numbered(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The different names, sorted, and each entry's number among them."""
    known = tuple(sorted(set(names)))
    places = {name: place for place, name in enumerate(known)}
    return known, np.array([places[name] for name in names], dtype=np.int64)


def _blocks(vectors: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Rows of the matrix of all cosines, a bounded number at a time, with the first's number."""
    step = max(1, BLOCK_VALUES // max(len(vectors), 1))
    for start in range(0, len(vectors), step):
        yield start, vectors[start : start + step] @ vectors.T


def new_samples(held: NDArray[np.float32], fresh: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples of ``fresh`` that are neither in ``held`` nor earlier in ``fresh``.

    Args:
        held: vectors ``[n, width]`` of length one.
        fresh: the same.
    """
    kept = [held]
    count = 0
    for vector in fresh:
        if not any(len(each) and float((each @ vector).max()) >= SAME_PICTURE for each in kept):
            kept.append(vector[None])
            count += 1
    return np.concatenate(kept[1:]) if count else fresh[:0]
