"""Which frames of a recording belong to which phoneme: the best path that only goes forward.

Monotonic alignment search (Kim et al. 2020, "Glow-TTS", arXiv:2005.11129, section 3.2): every
phoneme gets at least one frame, in order, such that the frames are as likely as possible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def durations(likelihood: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many frames each phoneme gets, ``[phonemes]``; their sum is all frames.

    Args:
        likelihood: logarithms, ``[phonemes, frames]``; at least as many frames as phonemes.

    Raises:
        ValueError: there are fewer frames, or no phonemes.
    """
    phonemes, frames = likelihood.shape
    if not 0 < phonemes <= frames:
        raise ValueError(f"need 0 < phonemes <= frames, not {phonemes} and {frames}")
    columns = np.ascontiguousarray(likelihood.T, np.float64)
    best = np.full(phonemes, -np.inf)
    best[0] = columns[0, 0]
    came = np.zeros((frames, phonemes), bool)  # whether the path came from the phoneme before
    before = np.empty(phonemes)
    for frame in range(1, frames):
        before[0], before[1:] = -np.inf, best[:-1]
        came[frame] = before > best
        best = np.maximum(before, best) + columns[frame]
    found = np.zeros(phonemes, np.int64)
    place = phonemes - 1
    for frame in range(frames - 1, -1, -1):
        found[place] += 1
        # As many frames as phonemes are left: each of them goes one back.
        if place and (came[frame, place] or place == frame):
            place -= 1
    return found
