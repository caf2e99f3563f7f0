"""What an evaluation of object detection holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anysize.core.findings import Finding
from anysize.core.objects import Annotation, Detection
from anysize.core.results import ErrorResult
from anysize.tasks.detection_coco import CocoScores

OVERLAP = 0.5
"""Intersection over union from which on an object counts as found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misses:
    """A picture on which the model was wrong.

    Attributes:
        index: of the record in its source.
        id: of the record.
        found: detections that are right.
        false: detections that are wrong.
        missed: objects that were not found.
    """

    index: int
    id: str
    found: tuple[Detection, ...]
    false: tuple[Detection, ...]
    missed: tuple[Annotation, ...]

    @property
    def errors(self) -> int:
        """How many objects were missed or made up."""
        return len(self.false) + len(self.missed)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "found": len(self.found),
            "false": [each.to_json() for each in self.false],
            "missed": [
                {"label": each.label, "box": [round(side, 2) for side in each.box]}
                for each in self.missed
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionEvaluation:
    """How a detector did on annotated pictures.

    Attributes:
        labels: the model's classes.
        scores: COCO's measures.
        threshold: the score above which detections are reported, and counted below.
        pictures, objects, windows: how many were read; objects that may be ignored left out.
        found, false: reported detections that are right and wrong, at an overlap of 0.5.
        missed: objects without one.
        worst: the pictures with the most errors, worst first.
        unknown_labels: labels of the data that the model does not have, and how many objects have
            them; they are left out.
        without_target: pictures of which nothing says what they hold.
        failure_count, failures: records that could not be read; the first are named.
        findings: what was guessed, repaired or left out of the data.
    """

    labels: tuple[str, ...]
    scores: CocoScores
    threshold: float
    pictures: int
    objects: int
    windows: int
    found: int
    false: int
    missed: int
    worst: tuple[Misses, ...]
    unknown_labels: dict[str, int]
    without_target: int
    failure_count: int
    failures: tuple[ErrorResult, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def precision(self) -> float:
        """Of what is reported, the part that is right."""
        return self.found / max(self.found + self.false, 1)

    @property
    def recall(self) -> float:
        """Of the objects, the part that is reported."""
        return self.found / max(self.found + self.missed, 1)

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return dict(self.scores.main)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "pictures": self.pictures,
            "objects": self.objects,
            "windows": self.windows,
            "failed_records": self.failure_count,
            "records_without_target": self.without_target,
            "unknown_labels": self.unknown_labels,
            "max_detections": self.scores.limit,
            "reported": {
                "threshold": self.threshold,
                "overlap": OVERLAP,
                "precision": self.precision,
                "recall": self.recall,
                "found": self.found,
                "false": self.false,
                "missed": self.missed,
            },
            "classes": [
                {
                    "label": each.label,
                    "objects": each.objects,
                    "ap": each.ap,
                    "ap50": each.ap50,
                    "ap75": each.ap75,
                    "recall50": each.recall50,
                    "precision_at_recalls": np.round(each.curve, 5).tolist(),
                }
                for each in self.scores.classes
            ],
            "worst_misses": [each.to_json() for each in self.worst],
            "failures": [failure.to_json() for failure in self.failures],
            "findings": [finding.to_json() for finding in self.findings],
        }
