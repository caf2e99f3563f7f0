"""Average precision of detections, for validation while training: the evaluator of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anysize.core.objects import Annotation, ObjectResult
from anysize.tasks.detection_coco import CocoScorer


class PrecisionMeter:
    """COCO's average precision of pictures that come one after the other.

    Args:
        labels: class names in the order of the scores.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._scorer = CocoScorer(labels)

    def add(self, result: Any, target: Sequence[Annotation]) -> None:
        """Takes a picture's result and its objects.

        Args:
            result: an ``ObjectResult``.
            target: the objects; those of unknown labels are passed over.
        """
        assert isinstance(result, ObjectResult)
        self._scorer.add(result.detections, target)

    def state(self) -> dict[str, Any]:
        return self._scorer.state()

    def join(self, states: Sequence[dict[str, Any]]) -> None:
        self._scorer.join(states)

    def score(self) -> tuple[float, float]:
        """Average precision over all overlaps, and 1 minus that at an overlap of 0.5.

        Raises:
            MissingExtraError: the evaluator is not installed.
        """
        main = self._scorer.finish().main
        return main["ap"], 1.0 - main["ap50"]
