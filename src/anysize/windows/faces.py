"""Faces as windows of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from anysize.core.windows import Box, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in a picture; coordinates in its pixels, the first pixel is from 0 to 1.

    Attributes:
        box: left, top, right, bottom; may reach beyond the picture.
        score: how probable it is that this is a face.
        landmarks: both eyes, tip of the nose, both corners of the mouth, left before right as
            seen: five ``(x, y)``; None from finders that give boxes alone.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclass(frozen=True, slots=True)
class FaceWindow(Window):
    """A window that shows a face.

    Attributes:
        face: None in the one window of a picture in which no face was found.
    """

    face: Face | None = None


def face_windows(record: str, width: int, height: int, faces: Sequence[Face]) -> list[FaceWindow]:
    """A window for each face of a picture; one without a face where there is none.

    All of the picture was searched, so the first window owns all of it and the others nothing:
    the cores partition the picture.
    """
    whole = Box(0, 0, width, height)
    nothing = Box(0, 0, 0, 0)
    if not faces:
        return [FaceWindow(record, 0, whole, whole, True)]
    return [
        FaceWindow(
            record,
            index,
            _clipped(face, width, height),
            nothing if index else whole,
            index == len(faces) - 1,
            face=face,
        )
        for index, face in enumerate(faces)
    ]


def _clipped(face: Face, width: int, height: int) -> Box:
    left, top, right, bottom = face.box
    left, top = max(0, math.floor(left)), max(0, math.floor(top))
    return Box(
        min(left, width - 1),
        min(top, height - 1),
        min(width, max(math.ceil(right), left + 1)),
        min(height, max(math.ceil(bottom), top + 1)),
    )
