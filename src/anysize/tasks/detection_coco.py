"""COCO's average precision, by a maintained evaluator (faster-coco-eval).

The measures are those of https://cocodataset.org/#detection-eval. Small, medium and large are by
the area of the box: below 32 x 32, below 96 x 96, and above.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.core.objects import Annotation, Detections

_USUAL_LIMIT = 100
# Numbers of a row: picture, box, ignored, class; picture, box, score, class.
_WANTED = _FOUND = 7
_AREAS = ("all", "small", "medium", "large")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How well one class is found.

    Attributes:
        label: its name.
        objects: how many there are.
        ap, ap50, ap75: average precision; over overlaps of 0.5 to 0.95, at 0.5, at 0.75.
        recall50: part of the objects that is found at an overlap of 0.5, however low the score.
        curve: precision at 101 recalls from 0 to 1, at an overlap of 0.5.
        scores: the score at each of these recalls; 0 where the recall is not reached.
    """

    label: str
    objects: int
    ap: float
    ap50: float
    ap75: float
    recall50: float
    curve: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoScores:
    """The measures.

    Attributes:
        main: ``ap``, ``ap50``, ``ap75``, ``ap_small``, ``ap_medium``, ``ap_large`` (those that
            have objects) and ``ar``, the average recall.
        classes: those that have objects, in the order of the labels.
        limit: detections of one picture that count at most.
    """

    main: dict[str, float]
    classes: tuple[ClassScore, ...]
    limit: int


class CocoScorer:
    """Takes pictures one after the other; holds 32 bytes an object or detection until the end.

    Args:
        labels: class names in the order of the detections' classes.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._places = {label: place for place, label in enumerate(labels)}
        self._pictures = 0
        self._most = 0
        self._wanted, self._found = array("d"), array("d")

    def add(self, found: Detections, wanted: Sequence[Annotation]) -> None:
        """One picture's detections and objects; objects of unknown labels are left out."""
        self._pictures += 1
        known = [each for each in wanted if each.label in self._places]
        self._most = max(self._most, len(known))
        for each in known:
            row = (self._pictures, *each.box, float(each.ignored), self._places[each.label])
            self._wanted.extend(row)
        count = len(found)
        table = np.column_stack(
            [np.full(count, self._pictures), found.boxes, found.scores, found.classes]
        )
        self._found.frombytes(np.ascontiguousarray(table, np.float64).tobytes())

    def state(self) -> dict[str, Any]:
        """All that was added, for ``join``."""
        return {
            "pictures": self._pictures,
            "most": self._most,
            "wanted": np.array(self._wanted, np.float64),
            "found": np.array(self._found, np.float64),
        }

    def join(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Takes what several have added, in the place of its own; pictures are numbered anew."""
        self._pictures = self._most = 0
        self._wanted, self._found = array("d"), array("d")
        for state in states:
            for held, name, width in (
                (self._wanted, "wanted", _WANTED),
                (self._found, "found", _FOUND),
            ):
                rows = np.array(state[name], np.float64).reshape(-1, width)
                rows[:, 0] += self._pictures
                held.frombytes(rows.tobytes())
            self._pictures += state["pictures"]
            self._most = max(self._most, state["most"])

    def finish(self) -> CocoScores:
        """The measures.

        Raises:
            MissingExtraError: the evaluator is not installed.
        """
        COCO, COCOeval_faster = evaluator()  # noqa: N806  classes
        # The usual 100 would count most objects of a crowded picture as missed.
        limit = _USUAL_LIMIT if self._most <= _USUAL_LIMIT else 2 * self._most
        wanted = COCO(self._data(), print_function=_silent)
        found = wanted.loadRes(self._results(), min_score=0) if len(self._found) else None
        if found is None:
            return self._nothing(limit)
        run = COCOeval_faster(wanted, found, iouType="bbox", print_function=_silent)
        run.params.maxDets = [1, 10, limit]
        run.evaluate()
        run.accumulate()
        return self._scores(run.eval, limit)

    def _data(self) -> dict[str, Any]:
        rows = np.frombuffer(self._wanted, np.float64).reshape(-1, _WANTED)
        annotations = [
            {
                "id": number + 1,
                "image_id": int(picture),
                "category_id": int(place) + 1,
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": int(ignored),
            }
            for number, (picture, left, top, right, bottom, ignored, place) in enumerate(
                rows.tolist()
            )
        ]
        return {
            "images": [{"id": number + 1} for number in range(self._pictures)],
            "annotations": annotations,
            "categories": [
                {"id": place + 1, "name": label} for place, label in enumerate(self._labels)
            ],
        }

    def _results(self) -> list[dict[str, Any]]:
        rows = np.frombuffer(self._found, np.float64).reshape(-1, _FOUND)
        return [
            {
                "image_id": int(picture),
                "category_id": int(place) + 1,
                "bbox": [left, top, right - left, bottom - top],
                "score": score,
            }
            for picture, left, top, right, bottom, score, place in rows.tolist()
        ]

    def _scores(self, entries: dict[str, Any], limit: int) -> CocoScores:
        # [overlaps, recalls, classes, areas, limits]; -1 where there are no objects.
        precision = np.asarray(entries["precision"], np.float64)[..., -1]
        scores = np.asarray(entries["scores"], np.float64)[..., -1]
        recall = np.asarray(entries["recall"], np.float64)[..., -1]
        overall = precision[..., 0]
        main = {
            "ap": _mean(overall),
            "ap50": _mean(overall[0]),
            "ap75": _mean(overall[5]),
            **{
                f"ap_{name}": _mean(precision[..., place])
                for place, name in enumerate(_AREAS)
                if place and (precision[..., place] > -1).any()
            },
            "ar": _mean(recall[..., 0]),
        }
        counts = self._objects()
        classes = tuple(
            ClassScore(
                label=label,
                objects=int(counts[place]),
                ap=_mean(overall[:, :, place]),
                ap50=_mean(overall[0, :, place]),
                ap75=_mean(overall[5, :, place]),
                recall50=_mean(recall[0, place, 0]),
                curve=np.maximum(overall[0, :, place], 0),
                scores=np.maximum(scores[0, :, place, 0], 0),
            )
            for place, label in enumerate(self._labels)
            if counts[place]
        )
        return CocoScores(main=main, classes=classes, limit=limit)

    def _nothing(self, limit: int) -> CocoScores:
        """Nothing was found at all."""
        none = np.zeros(101)
        counts = self._objects()
        classes = tuple(
            ClassScore(
                label=label, objects=int(counts[place]), ap=0.0, ap50=0.0, ap75=0.0, recall50=0.0,
                curve=none, scores=none,
            )
            for place, label in enumerate(self._labels)
            if counts[place]
        )  # fmt: skip
        main = dict.fromkeys(("ap", "ap50", "ap75", "ar"), 0.0)
        return CocoScores(main=main, classes=classes, limit=limit)

    def _objects(self) -> NDArray[np.int64]:
        rows = np.frombuffer(self._wanted, np.float64).reshape(-1, _WANTED)
        places = rows[rows[:, 5] == 0, 6].astype(np.int64)
        return np.bincount(places, minlength=len(self._labels))


def evaluator() -> tuple[Any, Any]:
    """The classes ``COCO`` and ``COCOeval_faster``.

    Raises:
        MissingExtraError: the evaluator is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("faster-coco-eval", "vision") from error
    return COCO, COCOeval_faster


def _mean(values: Any) -> float:
    found = np.asarray(values)
    there = found[found > -1]
    return float(there.mean()) if there.size else 0.0


def _silent(*_words: Any) -> None:
    """The evaluator reports to nobody: standard output is for documents."""
