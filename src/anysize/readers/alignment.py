"""Bringing a face into a standard position by its landmarks.

The similarity transform (turn, scale, shift) with the least squared error between two sets of
points is that of Umeyama 1991, "Least-squares estimation of transformation parameters between two
point patterns". The standard position of five points in a picture of 112 x 112 pixels is that of
ArcFace (arXiv:1801.07698), which comes from SphereFace's of 96 x 112 (arXiv:1704.08063).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers.resize import opencv, resize

SIDE = 112
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Left eye, right eye, tip of the nose, left and right corner of the mouth, as seen: ``(x, y)``."""


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity transform that brings ``source`` nearest to ``target``.

    Args:
        source: points ``[n, 2]``, at least two different ones.
        target: the places where they belong, ``[n, 2]``.

    Returns:
        ``[2, 3]``: ``target ~ matrix[:, :2] @ source + matrix[:, 2]``; never a reflection.

    Raises:
        DataError: all source points are one point.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    centred, wanted = source - from_mean, target - to_mean
    variance = (centred**2).sum() / len(source)
    if not variance > 0:
        raise DataError("landmarks", "all lie on one point, so the face's position is unknown")
    left, strengths, right = np.linalg.svd(wanted.T @ centred / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = left * signs @ right
    scale = (strengths * signs).sum() / variance
    linear = scale * turn
    return np.column_stack([linear, to_mean - linear @ from_mean])


def align(
    image: ImageField, landmarks: NDArray[np.float64], width: int, height: int
) -> NDArray[np.uint8]:
    """The face in the standard position.

    Only the part of the picture around the face is read, and it is shrunk by area averaging first
    where the face is larger than the result, so that nothing aliases. Beyond the picture's border
    its outermost pixels go on.

    Args:
        image: the picture.
        landmarks: five points ``(x, y)`` in the picture, as ``TEMPLATE`` names them; the centre
            of the first pixel is (0.5, 0.5).
        width: of the result.
        height: of the result.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        DataError: the landmarks are one point, or the face lies outside the picture.
    """
    stretch = np.array([width, height]) / SIDE
    matrix = similarity(landmarks, TEMPLATE * stretch.min() + (stretch - stretch.min()) * SIDE / 2)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    corners = inverse[:2] @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    box = _inside(corners.min(axis=1) - 2, corners.max(axis=1) + 3, image)
    pixels = next(iter(image.regions([box])))
    # How many pixels of the picture one of the result covers.
    shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    factor = np.ones(2)
    if shrink > 1:
        smaller = [max(1, round(side / shrink)) for side in (box.width, box.height)]
        factor = np.array(smaller) / [box.width, box.height]
        pixels = resize(pixels, *smaller)
    return warp(pixels, _moved(matrix, box, factor), width, height)


def warp(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], width: int, height: int
) -> NDArray[np.uint8]:
    """The picture under an affine transform, interpolated linearly.

    Args:
        pixels: uint8 ``[h, w, 3]``.
        matrix: ``[2, 3]`` from its points to the result's; centres of pixels lie at halves.
        width: of the result.
        height: of the result.
    """
    cv2 = opencv()
    shifted = matrix.copy()
    # OpenCV counts from the centre of the first pixel.
    shifted[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    warped: NDArray[np.uint8] = cv2.warpAffine(
        pixels, shifted, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return warped


def _moved(
    matrix: NDArray[np.float64], box: Box, factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The transform for the part of the picture that was read, resized by ``factor``."""
    linear = matrix[:, :2] / factor
    return np.column_stack([linear, matrix[:, 2] + matrix[:, :2] @ [box.left, box.top]])


def _inside(low: NDArray[np.float64], high: NDArray[np.float64], image: ImageField) -> Box:
    width, height = image.extent
    left, top = (max(0, int(np.floor(value))) for value in low)
    right = min(width, int(np.ceil(high[0])))
    bottom = min(height, int(np.ceil(high[1])))
    if left >= right or top >= bottom:
        raise DataError(
            image.origin, f"the face lies outside the picture of {width}x{height} pixels"
        )
    return Box(left, top, right, bottom)
