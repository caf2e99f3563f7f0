"""Where two files of translations part, judged by the lengths of their lines.

Translations are about as long as each other (Gale and Church 1993, "A program for aligning
sentences in bilingual corpora"): where lines are missing in one file, the lengths behind the place
fit only when they are moved by as many lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

MOST = 5_000_000
"""Lines of files that are compared, at most."""

_LEAST = 4
_FIT = 0.75


def parting(first: Iterable[int], second: Iterable[int]) -> int | None:
    """The last line up to which two files belong together, if lines are missing in one place.

    Args:
        first: the length of each line of one file.
        second: of the other, which has another number of lines.

    Returns:
        How many lines belong together from the beginning; None where the lengths do not say it.
    """
    sides = [np.frombuffer(_held(each), np.uint32) for each in (first, second)]
    shorter, longer = sorted((each.astype(np.float64) for each in sides), key=len)
    count, shift = len(shorter), len(longer) - len(shorter)
    if count < 2 * _LEAST or max(map(len, sides)) > MOST or not longer.sum():
        return None
    ratio = shorter.sum() / longer.sum()
    before = _costs(shorter, longer[:count] * ratio)
    behind = _costs(shorter, longer[shift:] * ratio)
    # total[p]: the first p lines as they are, the others moved.
    total = np.concatenate([[0.0], before.cumsum()]) + np.concatenate(
        [behind[::-1].cumsum()[::-1], [0.0]]
    )
    place = int(total.argmin())
    # What lines that do not belong together cost.
    strange = float(_costs(shorter, np.roll(shorter, max(count // 3, 1))).mean())
    fits = [part.mean() for part in (before[:place], behind[place:]) if len(part) >= _LEAST]
    return place if fits and max(fits) < _FIT * strange else None


def _held(lengths: Iterable[int]) -> array[int]:
    return array("I", islice(lengths, MOST + 1))


def _costs(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far lengths are apart, in deviations that grow with the root of the length."""
    found: NDArray[np.float64] = np.abs(first - second) / np.sqrt(first + second + 1)
    return found
