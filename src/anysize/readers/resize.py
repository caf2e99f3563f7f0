"""Resizing of decoded pictures, anti-aliased when shrinking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """``[h, w, 3]`` to ``[height, width, 3]``: area averages when shrinking, else linear."""
    import cv2

    if pixels.shape[:2] == (height, width):
        return pixels
    shrinking = pixels.shape[0] > height or pixels.shape[1] > width
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=how), np.uint8
    )
