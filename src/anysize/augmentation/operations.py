"""What steps come to once their random numbers are drawn: the vocabulary of the planner."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
Pixels: TypeAlias = NDArray[np.uint8]

IDENTITY: Matrix = np.eye(3)
IDENTITY.flags.writeable = False

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The picture's size at a step, and the size that is wanted in the end.

    Attributes:
        width, height: in pixels.
        wanted: ``(width, height)`` of the model's input, where it is known.
    """

    width: int
    height: int
    wanted: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """A projective map of the plane and the canvas that is looked at through it.

    Coordinates are continuous: pixel i covers [i, i + 1) and its centre is at i + 1/2.

    Attributes:
        matrix: 3x3, from coordinates of the picture before to those of the picture after.
        width, height: of the picture after.
    """

    matrix: Matrix
    width: int
    height: int

    def then(self, later: Geometry) -> Geometry:
        """Both, one after the other."""
        return Geometry(later.matrix @ self.matrix, later.width, later.height)


@dataclass(frozen=True, slots=True)
class Linear:
    """An affine map of colours: ``mix @ colour + shift + pull @ mean``.

    Attributes:
        mix: 3x3.
        shift: [3], in levels of 0 to 255.
        pull: 3x3, of the mean colour of the picture that the map is applied to; None is zero.
    """

    mix: Matrix
    shift: NDArray[np.float64]
    pull: Matrix | None = None

    def then(self, later: Linear) -> Linear:
        """Both, one after the other; nothing is rounded or clipped between them.

        The mean that the later one sees is the map of the mean that the earlier one sees.
        """
        mix = later.mix @ self.mix
        shift = later.mix @ self.shift + later.shift
        pull = None if self.pull is None else later.mix @ self.pull
        if later.pull is not None:
            shift = shift + later.pull @ self.shift
            seen = self.mix if self.pull is None else self.mix + self.pull
            pull = later.pull @ seen if pull is None else pull + later.pull @ seen
        return Linear(mix, shift, pull)

    def settled(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """The 3x4 matrix for a picture of this mean colour."""
        shift = self.shift if self.pull is None else self.shift + self.pull @ mean
        return np.column_stack((self.mix, shift))


Histogram: TypeAlias = NDArray[np.int64]
"""How often each level occurs in each channel, ``[3, 256]``."""


@dataclass(frozen=True, slots=True)
class Table:
    """A map of levels, the same for all pixels of a channel.

    Attributes:
        levels: uint8 ``[256]`` or, a row for each channel, ``[3, 256]``; None where ``measure``
            makes it.
        measure: makes it from the histogram of the picture at that step.
    """

    levels: Pixels | None = None
    measure: Callable[[Histogram], Pixels] | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A step of its own, which looks at more than one pixel at a time.

    Attributes:
        run: makes a new uint8 ``[h, w, 3]`` array of one.
        displacement: where it moves things: ``source - target`` float32 ``[h, w, 2]`` (x, y) for
            every target pixel; None where it leaves them.
        blends: whether it lays differently moved copies over each other, so that boxes, masks
            and points have no meaning after it.
    """

    run: Callable[[Pixels], Pixels]
    displacement: NDArray[np.float32] | None = None
    blends: bool = False


Operation: TypeAlias = Geometry | Linear | Table | Local


def around_centre(linear: tuple[float, float, float, float], canvas: Canvas) -> Geometry:
    """A 2x2 matrix (row by row) about the middle of the canvas, which stays as it is."""
    a, b, c, d = linear
    x, y = canvas.width / 2, canvas.height / 2
    matrix = np.array([[a, b, x - a * x - b * y], [c, d, y - c * x - d * y], [0.0, 0.0, 1.0]])
    return Geometry(matrix, canvas.width, canvas.height)


def rotated(degrees: float, canvas: Canvas) -> Geometry:
    """Counter-clockwise about the middle."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return around_centre((cosine, sine, -sine, cosine), canvas)


def sheared(across: float, down: float, canvas: Canvas) -> Geometry:
    """Rows move by ``across`` of their distance from the middle, columns by ``down``."""
    return around_centre((1.0, across, down, 1.0), canvas)


def moved(across: float, down: float, canvas: Canvas) -> Geometry:
    """By so many pixels, to the right and down."""
    matrix = np.array([[1.0, 0.0, across], [0.0, 1.0, down], [0.0, 0.0, 1.0]])
    return Geometry(matrix, canvas.width, canvas.height)


def window(
    left: float, top: float, across: float, down: float, width: int, height: int
) -> Geometry:
    """The rectangle ``across`` x ``down`` at (left, top), resized to ``width`` x ``height``."""
    x, y = width / across, height / down
    matrix = np.array([[x, 0.0, -left * x], [0.0, y, -top * y], [0.0, 0.0, 1.0]])
    return Geometry(matrix, width, height)


def mirrored(canvas: Canvas, *, left_right: bool) -> Geometry:
    """Left and right change places, or top and bottom."""
    matrix = np.eye(3)
    if left_right:
        matrix[0, 0], matrix[0, 2] = -1.0, canvas.width
    else:
        matrix[1, 1], matrix[1, 2] = -1.0, canvas.height
    return Geometry(matrix, canvas.width, canvas.height)


def quarter_turned(turns: int, canvas: Canvas) -> Geometry:
    """By quarter turns counter-clockwise, as ``numpy.rot90``; the canvas turns with it."""
    found = Geometry(np.eye(3), canvas.width, canvas.height)
    for _ in range(turns % 4):
        matrix = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, found.width], [0.0, 0.0, 1.0]])
        found = found.then(Geometry(matrix, found.height, found.width))
    return found
