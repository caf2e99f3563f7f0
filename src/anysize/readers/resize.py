"""Resizing: anti-aliased where a side shrinks, linear where it grows."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resizes uint8 ``[h, w, 3]`` to ``[height, width, 3]``.

    A side that shrinks is averaged by area, one that grows is interpolated linearly.
    """
    cv2 = opencv()
    rows, columns = pixels.shape[:2]
    # One call would interpolate both sides linearly, without anti-aliasing, when one side grows.
    shrunk = min(columns, width), min(rows, height)
    if shrunk != (columns, rows):
        pixels = cv2.resize(pixels, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (width, height):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels


class StripResizer:
    """Resizes a picture that comes in strips of rows, holding one strip and the result.

    Args:
        source: ``(width, height)`` of the whole picture.
        width: of the result.
        height: of the result.
    """

    def __init__(self, source: tuple[int, int], width: int, height: int) -> None:
        self._columns, self._rows = source
        self._width, self._height = width, height
        self._next = 0
        # A side that grows is interpolated at the end, from all of its few rows.
        self._levels = min(height, self._rows)
        self._sums = np.zeros((self._levels, width * 3), dtype=np.float32)

    def add(self, strip: NDArray[np.uint8]) -> None:
        """The next rows, uint8 ``[n, width, 3]``."""
        count = len(strip)
        narrow = resize(strip, self._width, count).reshape(count, -1)
        # Level j averages rows [j * step, (j + 1) * step).
        step = self._rows / self._levels
        low = int(self._next / step)
        high = min(int(np.ceil((self._next + count) / step)), self._levels)
        edges = np.arange(low, high + 1) * step
        rows = np.arange(self._next, self._next + count)
        covered = np.minimum(edges[1:, None], rows + 1) - np.maximum(edges[:-1, None], rows)
        weights = (np.clip(covered, 0, 1) / step).astype(np.float32)
        self._sums[low:high] += weights @ narrow.astype(np.float32)
        self._next += count

    def finish(self) -> NDArray[np.uint8]:
        """The result, uint8 ``[height, width, 3]``."""
        levels = np.clip(np.rint(self._sums), 0, 255).astype(np.uint8)
        return resize(levels.reshape(self._levels, self._width, 3), self._width, self._height)


@cache
def opencv() -> Any:
    """The module ``cv2``, set to start no threads of its own unless somebody uses it already.

    Readers are threads, and there are as many of them as is good.

    Raises:
        MissingExtraError: it is not installed.
    """
    ours = "cv2" not in sys.modules
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("opencv-python-headless", "vision") from None
    if ours:
        cv2.setNumThreads(1)
    return cv2
