"""Names that look like one person."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from anysize.recognition.gallery import Gallery
from anysize.recognition.matching import templates
from anysize.recognition.pairs import SAME_PICTURE

# Of median absolute deviations that a pair of names is above the usual pair.
_OUTLYING = 6.0
_NORMAL = 1.4826
_LEAST_SPREAD = 0.02
_FEWEST_PAIRS = 10
# Of the way from the usual pair of names to two samples of one person.
_NEARNESS = 0.75
# More are not compared: it takes their square.
_MOST_NAMES = 4000
_MOST_SAMPLES = 20_000
_BLOCK = 1024


def alike(gallery: Gallery, fresh: Collection[str]) -> Iterator[tuple[str, str, float]]:
    """Pairs of names that look like one person, with the cosine of their templates.

    Two names are alike where they share a picture; where the samples of one are about as near to
    those of the other as to each other; or where their cosine is far above that of the other pairs.

    Args:
        gallery: of some thousand names; more are not compared.
        fresh: names of which one is in every pair that is given.
    """
    names = gallery.names
    if not 2 <= len(names) <= _MOST_NAMES:
        return
    known = templates(gallery)
    cosines = known @ known.T
    near = _outlying(cosines) | _as_near_as_their_own(gallery) | _sharing(gallery)
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        if names[one] in fresh or names[other] in fresh:
            yield names[one], names[other], min(1.0, float(cosines[one, other]))


def _outlying(cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
    pairs = cosines[np.triu_indices(len(cosines), 1)]
    if len(pairs) < _FEWEST_PAIRS:
        return np.zeros(cosines.shape, np.bool_)
    middle = float(np.median(pairs))
    spread = max(_NORMAL * float(np.median(np.abs(pairs - middle))), _LEAST_SPREAD)
    found: NDArray[np.bool_] = cosines > middle + _OUTLYING * spread
    return found


def _as_near_as_their_own(gallery: Gallery) -> NDArray[np.bool_]:
    """Where the mean cosine across two names comes near that inside of one of them."""
    counts = np.array([person.samples for person in gallery.people])
    sums = np.zeros((len(counts), gallery.vectors.shape[1]))
    np.add.at(sums, gallery.owners, gallery.vectors.astype(np.float64))
    across = (sums @ sums.T) / np.outer(counts, counts)
    squares = (sums**2).sum(axis=1)
    several = counts > 1
    if not several.any():
        return np.zeros(across.shape, np.bool_)
    within = (squares - counts) / np.maximum(counts * (counts - 1), 1)
    # One sample says nothing of how near a person's samples are: as near as others' are.
    within = np.where(several, within, np.median(within[several]))
    usual = float(np.median(across[np.triu_indices(len(across), 1)]))
    least = usual + _NEARNESS * (np.minimum(within[:, None], within[None, :]) - usual)
    found: NDArray[np.bool_] = across >= np.maximum(least, usual)
    return found


def _sharing(gallery: Gallery) -> NDArray[np.bool_]:
    """Where two names have a picture in common."""
    owners, vectors = gallery.owners, gallery.vectors
    found = np.zeros((len(gallery.people), len(gallery.people)), np.bool_)
    if len(vectors) > _MOST_SAMPLES:
        return found
    for start in range(0, len(vectors), _BLOCK):
        rows, columns = np.nonzero(vectors[start : start + _BLOCK] @ vectors.T >= SAME_PICTURE)
        found[owners[rows + start], owners[columns]] = True
    return found | found.T
