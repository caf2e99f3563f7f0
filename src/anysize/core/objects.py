"""Objects in pictures: what data says of them, and what a detector finds.

Boxes are ``(left, top, right, bottom)`` in pixels of the picture as displayed, with fractions;
``left`` and ``top`` are the edges of the first pixel inside, ``right`` and ``bottom`` those behind
the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object as the data has it.

    Attributes:
        label: its class.
        box: ``(left, top, right, bottom)``.
        crowd: whether the box holds a group of objects that were not separated.
        difficult: whether the data says that it need not be found.
    """

    label: str
    box: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False

    @property
    def ignored(self) -> bool:
        """Whether a detection here is neither right nor wrong."""
        return self.crowd or self.difficult


@dataclass(frozen=True, slots=True)
class Detection:
    """One object as a detector finds it.

    Attributes:
        label: its class.
        score: 0 to 1.
        box: ``(left, top, right, bottom)``.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]

    def to_json(self) -> dict[str, Any]:
        """``{"label", "score", "box"}``; pixels to a hundredth."""
        return {
            "label": self.label,
            "score": round(self.score, 4),
            "box": [round(side, 2) for side in self.box],
        }


@dataclass(frozen=True, slots=True)
class Detections:
    """Many detections as arrays: 24 bytes each.

    Attributes:
        boxes: float32 ``[k, 4]``.
        scores: float32 ``[k]``.
        classes: int64 ``[k]``, places in the labels.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    @classmethod
    def none(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Detections]) -> Detections:
        """The detections of all parts, in order."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.classes for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[Any]) -> Detections:
        """Those chosen by a mask or by positions."""
        return Detections(self.boxes[chosen], self.scores[chosen], self.classes[chosen])

    def named(self, labels: Sequence[str]) -> list[Detection]:
        """As single detections, in order."""
        return [
            Detection(labels[place], score, (box[0], box[1], box[2], box[3]))
            for box, score, place in zip(
                self.boxes.tolist(), self.scores.tolist(), self.classes.tolist(), strict=True
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectResult(Result):
    """A result whose prediction is the list of the objects that are worth reporting.

    Attributes:
        detections: these and all weaker ones, for whoever measures; not written to files.
        threshold: the lowest score that is worth reporting.
    """

    detections: Detections
    threshold: float = 0.25
