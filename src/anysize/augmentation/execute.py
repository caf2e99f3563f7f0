"""Doing what a plan says."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.operations import Geometry, Linear, Local, Pixels
from anysize.augmentation.plan import Plan, Stage, Tables
from anysize.augmentation.sample import Normalisation
from anysize.augmentation.warp import warped
from anysize.readers.parts import Part
from anysize.readers.resize import opencv


def execute(part: Part, plan: Plan, normalisation: Normalisation | None = None) -> NDArray[Any]:
    """A new picture.

    Args:
        part: of the picture, at least what the first stage needs; all of it where that is no warp.
        plan: what is done.
        normalisation: makes float32 of the result; None leaves uint8.

    Returns:
        ``[h, w, 3]``, contiguous.
    """
    stages = plan.stages
    if stages and isinstance(stages[0], Geometry):
        pixels = warped(part, stages[0], plan.border)
        stages = stages[1:]
    else:
        pixels = part.pixels
    if normalisation is None:
        for stage in stages:
            pixels = _done(pixels, stage, plan.border)
        return pixels.copy() if pixels is part.pixels else pixels
    for stage in stages[:-1]:
        pixels = _done(pixels, stage, plan.border)
    if stages and isinstance(stages[-1], Tables):
        return _looked_up(pixels, stages[-1], normalisation)
    if stages:
        pixels = _done(pixels, stages[-1], plan.border)
    return normalised(pixels, normalisation)


def normalised(pixels: Pixels, normalisation: Normalisation) -> NDArray[np.float32]:
    """float32 ``[h, w, 3]`` of uint8."""
    cv2 = opencv()
    # Memory that is used again spares a third of the time: the system's zeroing of new pages.
    levels = getattr(_scratch, "levels", None)
    if levels is None or levels.shape != pixels.shape:
        levels = _scratch.levels = np.empty(pixels.shape, dtype=np.float32)
    np.copyto(levels, pixels)
    found: NDArray[np.float32] = cv2.transform(levels, _normalising(normalisation))
    return found


_scratch = threading.local()


@cache
def _normalising(normalisation: Normalisation) -> NDArray[np.float32]:
    """The 3x4 matrix."""
    scale, shift = normalisation.affine()
    return np.column_stack((np.diag(scale), shift)).astype(np.float32)


def coloured(pixels: Pixels, linear: Linear) -> Pixels:
    """Colours through a matrix, rounded and clipped."""
    cv2 = opencv()
    mean = np.zeros(3) if linear.pull is None else np.array(cv2.mean(pixels)[:3])
    found: Pixels = cv2.transform(pixels, linear.settled(mean).astype(np.float32))
    return found


def table(pixels: Pixels, stage: Tables) -> Pixels:
    """The one table of all, ``[256]`` or ``[3, 256]``.

    A step that measures gets the histogram of the picture as the steps before it leave it, which
    their table makes of the histogram of the picture.
    """
    found: Pixels = np.arange(256, dtype=np.uint8)
    counts: NDArray[np.int64] | None = None
    for part in stage.parts:
        if part.levels is not None:
            levels = part.levels
        else:
            assert part.measure is not None
            counts = histogram(pixels) if counts is None else counts
            rows = np.broadcast_to(found, (3, 256))
            levels = part.measure(
                np.stack(
                    [
                        np.bincount(row, weights=count, minlength=256).astype(np.int64)
                        for row, count in zip(rows, counts, strict=True)
                    ]
                )
            )
        if levels.ndim == 1:
            found = levels[found]
        else:
            rows = np.broadcast_to(found, (3, 256))
            found = np.stack([level[row] for level, row in zip(levels, rows, strict=True)])
    return found


def histogram(pixels: Pixels) -> NDArray[np.int64]:
    """How often each level occurs in each channel, ``[3, 256]``."""
    cv2 = opencv()
    counts = [cv2.calcHist([pixels], [channel], None, [256], [0, 256]) for channel in range(3)]
    return np.stack(counts).reshape(3, 256).astype(np.int64)


def _done(pixels: Pixels, stage: Stage, border: str | int) -> Pixels:
    if isinstance(stage, Geometry):
        return warped(Part.whole(pixels), stage, border)
    if isinstance(stage, Linear):
        return coloured(pixels, stage)
    if isinstance(stage, Local):
        return stage.run(pixels)
    levels = table(pixels, stage)
    found: Pixels = opencv().LUT(pixels, _interleaved(levels))
    return found


def _looked_up(pixels: Pixels, stage: Tables, normalisation: Normalisation) -> NDArray[np.float32]:
    """Tables, the conversion to float32 and the normalisation in one look."""
    values = normalisation.values(np.broadcast_to(table(pixels, stage), (3, 256)))
    found: NDArray[np.float32] = opencv().LUT(pixels, _interleaved(values))
    return found


def _interleaved(levels: NDArray[Any]) -> NDArray[Any]:
    """As OpenCV wants it: ``[256]``, or ``[1, 256, 3]``."""
    return levels if levels.ndim == 1 else np.ascontiguousarray(levels.T)[None]
