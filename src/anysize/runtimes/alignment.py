"""Tokens aligned with the frames that a decoder attends to, by dynamic time warping.

As Whisper does it (``whisper/timing.py``): the attention of some heads, each column normalised,
smoothed by a median over the frames, averaged; the cheapest monotonic path through it says when
each token is said (Giorgino 2009, doi:10.18637/jss.v031.i07).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anysize.core.transcription import Aligned


def path_of(weights: NDArray[np.float32], median: int) -> NDArray[np.int64]:
    """The first frame of each token, int64 ``[tokens]``, never falling.

    Args:
        weights: attention ``[heads, tokens, frames]``.
        median: frames of the filter, an odd number.
    """
    shares = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    mean, spread = shares.mean(1, keepdims=True), shares.std(1, keepdims=True)
    shares = (shares - mean) / np.maximum(spread, 1e-6)
    if shares.shape[-1] > median // 2:
        half = median // 2
        padded = np.pad(shares, ((0, 0), (0, 0), (half, half)), mode="reflect")
        shares = np.median(sliding_window_view(padded, median, axis=-1), axis=-1)
    return _warped(-shares.mean(0).astype(np.float64))


def aligned(starts: NDArray[np.int64], count: int, chances: NDArray[np.float64]) -> Aligned:
    """Starts of tokens and of what follows them.

    Args:
        starts: of the tokens and of the end behind them.
        count: how many tokens.
        chances: probability of each.
    """
    return Aligned(starts[: count + 1], chances)


def _warped(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first column of each row on the cheapest path from one corner to the other."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    came = np.zeros((rows + 1, columns + 1), np.int8)
    # Along anti-diagonals, whose cells do not depend on each other.
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        options = np.stack(
            [total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]]
        )
        best = options.argmin(0)
        total[row, column] = costs[row - 1, column - 1] + options[best, np.arange(len(row))]
        came[row, column] = best
    found = np.zeros(rows, np.int64)
    row, column = rows, columns
    while row > 0 and column > 0:
        found[row - 1] = column - 1
        step = came[row, column]
        row -= step != 2
        column -= step != 1
    return found
