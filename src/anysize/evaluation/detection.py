"""Evaluation of object detection: average precision, and where the worst misses are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core.errors import DataError, RunError
from anysize.core.highest import Highest
from anysize.core.objects import Annotation, Detection, ObjectResult
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import detection_rendering, detection_report
from anysize.evaluation.detection_result import OVERLAP, DetectionEvaluation, Misses
from anysize.mergers.objects import ObjectRules
from anysize.tasks.detection_coco import CocoScorer
from anysize.tasks.detection_matching import OVERLAPS, verdicts

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("object-detection",)

_WORST = 12
_NAMED = 100

detection_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> DetectionEvaluation:
    """COCO's measures over a stream of results, and the pictures with the most errors.

    Args:
        results: one a record, in the order of ``source``.
        card: of the bundle.
        source: of the pictures and their objects.

    Raises:
        DataError: no picture could be read, or none has objects.
    """
    run = _Run(card.labels)
    for index, result in enumerate(results):
        if isinstance(result, ErrorResult):
            run.fail(result)
            continue
        if not isinstance(result, ObjectResult):
            raise RunError(f"record {result.id!r}: a detector was expected, which gives boxes")
        target = source[index].target
        if not isinstance(target, tuple):
            run.without_target += 1
            continue
        run.add(index, result, target)
    if not run.objects:
        raise DataError(
            source.name,
            f"there is nothing to measure by: {run.pictures} pictures were read, "
            f"{run.without_target} without annotations, {run.failure_count} could not be read, and "
            "none holds an object that the model knows",
        )
    return run.finish()


def write_report(
    evaluation: DetectionEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and ``report.html``; see ``detection_report``."""
    detection_report.write(evaluation, folder, card=card, source=source)


class _Run:
    """What is counted while results stream past."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._threshold = ObjectRules().threshold
        self._scorer = CocoScorer(labels)
        self._worst = Highest[Misses](_WORST)
        self._unknown: Counter[str] = Counter()
        self._failures: list[ErrorResult] = []
        self._counts: Counter[str] = Counter()
        self.without_target = self.failure_count = self.pictures = self.objects = 0

    def fail(self, result: ErrorResult) -> None:
        self.failure_count += 1
        if len(self._failures) < _NAMED:
            self._failures.append(result)

    def add(self, index: int, result: ObjectResult, target: tuple[Annotation, ...]) -> None:
        known = [each for each in target if each.label in self._labels]
        self._unknown.update(each.label for each in target if each.label not in self._labels)
        self.pictures += 1
        # One run has one threshold.
        self._threshold = result.threshold
        self.objects += sum(not each.ignored for each in known)
        self._counts["windows"] += result.receipt.windows
        self._scorer.add(result.detections, known)
        misses = self._misses(index, result, known)
        self._counts["found"] += len(misses.found)
        self._counts["false"] += len(misses.false)
        self._counts["missed"] += len(misses.missed)
        if misses.errors:
            self._worst.add(misses.errors, index, misses)

    def finish(self) -> DetectionEvaluation:
        return DetectionEvaluation(
            labels=self._labels,
            scores=self._scorer.finish(),
            threshold=self._threshold,
            pictures=self.pictures,
            objects=self.objects,
            windows=self._counts["windows"],
            found=self._counts["found"],
            false=self._counts["false"],
            missed=self._counts["missed"],
            worst=tuple(self._worst.entries()),
            unknown_labels=dict(self._unknown.most_common()),
            without_target=self.without_target,
            failure_count=self.failure_count,
            failures=tuple(self._failures),
        )

    def _misses(self, index: int, result: ObjectResult, known: Sequence[Annotation]) -> Misses:
        """What is reported of a picture, against what it holds."""
        strong = result.detections.take(result.detections.scores >= self._threshold)
        column = int(np.searchsorted(OVERLAPS, OVERLAP))
        found: list[Detection] = []
        false: list[Detection] = []
        missed: list[Annotation] = []
        for place, label in enumerate(self._labels):
            mine = strong.take(strong.classes == place)
            wanted = [each for each in known if each.label == label]
            boxes = np.array([each.box for each in wanted], np.float64).reshape(-1, 4)
            ignored = np.array([each.ignored for each in wanted], bool)
            judged, owners = verdicts(mine.boxes.astype(np.float64), boxes, ignored)
            for each, verdict in zip(mine.named(self._labels), judged[:, column], strict=True):
                if verdict >= 0:
                    (found if verdict else false).append(each)
            taken = set(owners[:, column].tolist())
            missed += [
                each
                for number, each in enumerate(wanted)
                if number not in taken and not each.ignored
            ]
        return Misses(
            index=index,
            id=result.id,
            found=tuple(found),
            false=tuple(false),
            missed=tuple(missed),
        )
