"""Naming a sample: the most similar person of a gallery, or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.recognition.gallery import UNKNOWN, Gallery
from anysize.recognition.pairs import unit_vectors
from anysize.recognition.threshold import Threshold, calibrate

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Who a sample is taken for.

    Attributes:
        name: the person's, or ``unknown``.
        nearest: the most similar person, accepted or not.
        score: the cosine to that person's template.
        threshold: from which on a person is accepted.
    """

    name: str
    nearest: str
    score: float
    threshold: float

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "nearest": self.nearest,
            "similarity": round(self.score, 6),
            "threshold": round(self.threshold, 6),
        }


class Matcher:
    """A gallery made ready for searching: one template a person, the direction of their mean.

    Args:
        gallery: at least one person.
        threshold: instead of the gallery's own.

    Raises:
        ConfigurationError: nobody in the gallery, or no threshold anywhere.
    """

    def __init__(self, gallery: Gallery, threshold: float | None = None) -> None:
        if not gallery.people:
            raise ConfigurationError("the gallery is empty; enroll somebody first")
        if threshold is None and gallery.search is None:
            raise ConfigurationError(
                "the gallery has no threshold: enroll with a folder of other people "
                "(--calibrate FOLDER), or give --threshold"
            )
        self.names = gallery.names
        self.templates = templates(gallery)
        self.threshold = (
            gallery.search.value if threshold is None and gallery.search else float(threshold or 0)
        )

    def match(self, vectors: NDArray[Any]) -> list[Match]:
        """Names each of ``[n, width]`` vectors of any length.

        Raises:
            DataError: vectors of another width, or a vector that is zero or not finite.
        """
        return [
            Match(
                name=self.names[place] if score >= self.threshold else UNKNOWN,
                nearest=self.names[place],
                score=score,
                threshold=self.threshold,
            )
            for place, score in _nearest(self.templates, unit_vectors(vectors))
        ]


def templates(gallery: Gallery) -> NDArray[np.float32]:
    """One vector of length one for each person, ``[people, width]``."""
    sums = np.zeros((len(gallery.people), gallery.vectors.shape[1]))
    np.add.at(sums, gallery.owners, gallery.vectors.astype(np.float64))
    return unit_vectors(sums, "gallery")


def calibrated(
    gallery: Gallery,
    rate: float,
    strangers: tuple[NDArray[Any], NDArray[np.int64]] | None = None,
) -> tuple[Threshold, Threshold]:
    """Thresholds for searching the gallery and for comparing two samples.

    With strangers, what each of their samples reaches at best in the whole gallery counts. Without,
    everybody in the gallery is in turn the stranger to all others, who are then one fewer.

    Args:
        gallery: at least two people, or one and strangers.
        rate: the false-accept rate asked for: the share of strangers' samples that get a name,
            and the share of pairs of two people that are taken for one.
        strangers: vectors ``[n, width]`` and their identities ``[n]``; nobody in the gallery.

    Raises:
        ConfigurationError: a rate that is not between 0 and 1.
        DataError: too few to calibrate on.
    """
    known, owners = templates(gallery), gallery.owners
    if strangers is not None:
        vectors, identities = unit_vectors(strangers[0], "strangers"), strangers[1]
        people = len(np.unique(identities))
        best = [score for _, score in _nearest(known, vectors)]
        across = _impostor_scores(
            np.concatenate([gallery.vectors, vectors]),
            np.concatenate([owners, identities + len(known)]),
        )
        return calibrate(np.array(best), people, rate), calibrate(across, people + len(known), rate)
    if len(gallery.people) < 2:
        raise DataError(
            "gallery",
            "one person only: there is no stranger to calibrate on; enroll more people, or give a "
            "folder of others (--calibrate FOLDER)",
        )
    best = [score for _, score in _nearest(known, gallery.vectors, without=owners)]
    return (
        calibrate(np.array(best), len(known), rate),
        calibrate(_impostor_scores(gallery.vectors, owners), len(known), rate),
    )


_MOST_PAIRS = 1 << 22


def _impostor_scores(
    vectors: NDArray[np.float32], identities: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Scores of pairs of two people; of an even share of the samples where they are very many."""
    step = max(1, round(len(vectors) / np.sqrt(2 * _MOST_PAIRS)))
    vectors, identities = vectors[::step], identities[::step]
    later = np.triu(np.ones((len(vectors), len(vectors)), dtype=bool), 1)
    scores: NDArray[np.float32] = (vectors @ vectors.T)[
        later & (identities[:, None] != identities[None, :])
    ]
    return scores


def _nearest(
    known: NDArray[np.float32],
    vectors: NDArray[np.float32],
    without: NDArray[np.int64] | None = None,
) -> Iterator[tuple[int, float]]:
    """The nearest template of each vector and its cosine; ``without`` one template each."""
    if vectors.shape[1] != known.shape[1]:
        raise DataError(
            "embeddings",
            f"are {vectors.shape[1]} wide, those of the gallery {known.shape[1]}: "
            "they come from another model",
        )
    step = max(1, _BLOCK_VALUES // len(known))
    for start in range(0, len(vectors), step):
        scores = vectors[start : start + step] @ known.T
        if without is not None:
            scores[np.arange(len(scores)), without[start : start + step]] = -np.inf
        places = scores.argmax(axis=1)
        for row, place in enumerate(places.tolist()):
            yield place, min(1.0, float(scores[row, place]))
