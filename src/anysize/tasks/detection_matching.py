"""Which detections are right: matching them with objects as COCO does.

The best detections are matched first, each with the object that it overlaps most of those that are
left (https://cocodataset.org/#detection-eval).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OVERLAPS = np.arange(50, 100, 5) / 100


def verdicts(
    found: NDArray[np.float64], wanted: NDArray[np.float64], ignored: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Matches a class's detections with its objects, at each overlap of ``OVERLAPS``.

    Args:
        found: boxes ``[n, 4]``, the best first.
        wanted: boxes ``[k, 4]``.
        ignored: ``[k]``; such a box takes any number of detections, and by the part of the
            detection that lies in it.

    Returns:
        Of each detection at each overlap: 1 right, 0 wrong, -1 neither, int8 ``[n, overlaps]``;
        and the object that it was matched with, -1 for none, int64 ``[n, overlaps]``.
    """
    result = np.zeros((len(found), len(OVERLAPS)), np.int8)
    owners = np.full((len(found), len(OVERLAPS)), -1, np.int64)
    if not len(wanted):
        return result, owners
    overlap = _overlap(found, wanted, ignored)
    for column, least in enumerate(OVERLAPS):
        taken = np.zeros(len(wanted), bool)
        for row in range(len(found)):
            open_ = np.where(~taken & ~ignored, overlap[row], -1.0)
            best = int(open_.argmax())
            if open_[best] >= least:
                taken[best] = True
                result[row, column] = 1
                owners[row, column] = best
            elif (overlap[row][ignored] >= least).any():
                result[row, column] = -1
    return result, owners


def _overlap(
    found: NDArray[np.float64], wanted: NDArray[np.float64], ignored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    low = np.maximum(found[:, None, :2], wanted[None, :, :2])
    high = np.minimum(found[:, None, 2:], wanted[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    area = (found[:, 2:] - found[:, :2]).prod(1)[:, None]
    union = area + (wanted[:, 2:] - wanted[:, :2]).prod(1)[None] - shared
    around: NDArray[np.float64] = np.where(ignored[None], area, union)
    return np.asarray(shared / np.maximum(around, 1e-9))
