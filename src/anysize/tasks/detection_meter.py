"""Average precision of detections, for validation while training.

The definition is that of COCO (https://cocodataset.org/#detection-eval): the best detections are
matched first, each to the object that it overlaps most of those that are left; precision is
interpolated at 101 recalls and averaged over overlaps of 0.5, 0.55 … 0.95 and over the classes.
Reports come from a maintained evaluator (``anysize.evaluate.detection``); the tests compare both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.objects import Annotation, ObjectResult

OVERLAPS = np.arange(50, 100, 5) / 100
_RECALLS = np.linspace(0, 1, 101)
_MOST = 100


class PrecisionMeter:
    """Counts up matches; 32 bytes a detection.

    Args:
        labels: class names in the order of the scores.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._places = {label: place for place, label in enumerate(labels)}
        self._objects = np.zeros(len(labels), np.int64)
        self._scores: list[NDArray[np.float32]] = []
        self._classes: list[NDArray[np.int64]] = []
        self._verdicts: list[NDArray[np.int8]] = []

    def add(self, result: Any, target: Sequence[Annotation]) -> None:
        """Takes a picture's result and its objects.

        Args:
            result: an ``ObjectResult``.
            target: the objects; those of unknown labels are passed over.
        """
        assert isinstance(result, ObjectResult)
        found = result.detections
        for place in range(len(self._labels)):
            label = self._labels[place]
            wanted = [each for each in target if each.label == label]
            mine = np.flatnonzero(found.classes == place)
            mine = mine[np.argsort(-found.scores[mine], kind="stable")][:_MOST]
            self._objects[place] += sum(not each.ignored for each in wanted)
            if not len(mine):
                continue
            boxes = np.array([each.box for each in wanted], np.float64).reshape(-1, 4)
            free = np.array([each.ignored for each in wanted], bool)
            self._scores.append(found.scores[mine])
            self._classes.append(np.full(len(mine), place, np.int64))
            judged, _ = verdicts(found.boxes[mine].astype(np.float64), boxes, free)
            self._verdicts.append(judged)

    def state(self) -> dict[str, Any]:
        return {
            "objects": self._objects,
            "scores": np.concatenate([np.zeros(0, np.float32), *self._scores]),
            "classes": np.concatenate([np.zeros(0, np.int64), *self._classes]),
            "verdicts": np.concatenate([np.zeros((0, len(OVERLAPS)), np.int8), *self._verdicts]),
        }

    def join(self, states: Sequence[dict[str, Any]]) -> None:
        self._objects = np.sum([state["objects"] for state in states], axis=0)
        self._scores = [state["scores"] for state in states]
        self._classes = [state["classes"] for state in states]
        self._verdicts = [state["verdicts"] for state in states]

    def score(self) -> tuple[float, float]:
        """Average precision over all overlaps, and 1 minus that at an overlap of 0.5."""
        table = self.table()
        if not table.size:
            return 0.0, 1.0
        return float(table.mean()), 1.0 - float(table[:, 0].mean())

    def table(self) -> NDArray[np.float64]:
        """Average precision ``[classes that have objects, overlaps]``."""
        state = self.state()
        rows = []
        for place in np.flatnonzero(self._objects).tolist():
            mine = state["classes"] == place
            order = np.argsort(-state["scores"][mine], kind="stable")
            judged = state["verdicts"][mine][order]
            rows.append(
                [
                    average_precision(judged[:, column], int(self._objects[place]))
                    for column in range(len(OVERLAPS))
                ]
            )
        return np.array(rows, np.float64).reshape(-1, len(OVERLAPS))


def verdicts(
    found: NDArray[np.float64], wanted: NDArray[np.float64], ignored: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Matches a class's detections with its objects, at each overlap of ``OVERLAPS``.

    Args:
        found: boxes ``[n, 4]``, the best first.
        wanted: boxes ``[k, 4]``.
        ignored: ``[k]``; such a box takes any number of detections, and by the part of the
            detection that lies in it.

    Returns:
        Of each detection at each overlap: 1 right, 0 wrong, -1 neither, int8 ``[n, overlaps]``;
        and the object that it was matched with, -1 for none, int64 ``[n, overlaps]``.
    """
    result = np.zeros((len(found), len(OVERLAPS)), np.int8)
    owners = np.full((len(found), len(OVERLAPS)), -1, np.int64)
    if not len(wanted):
        return result, owners
    overlap = _overlap(found, wanted, ignored)
    for column, least in enumerate(OVERLAPS):
        taken = np.zeros(len(wanted), bool)
        for row in range(len(found)):
            open_ = np.where(~taken & ~ignored, overlap[row], -1.0)
            best = int(open_.argmax())
            if open_[best] >= least:
                taken[best] = True
                result[row, column] = 1
                owners[row, column] = best
            elif (overlap[row][ignored] >= least).any():
                result[row, column] = -1
    return result, owners


def average_precision(judged: NDArray[np.int8], objects: int) -> float:
    """Interpolated at 101 recalls.

    Args:
        judged: verdicts at one overlap, the best detection first.
        objects: how many there are.
    """
    judged = judged[judged >= 0]
    if not len(judged):
        return 0.0
    right = np.cumsum(judged == 1)
    recall = right / objects
    precision = right / np.arange(1, len(judged) + 1)
    # The best precision at this recall or a higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    reached = places < len(judged)
    return float(envelope[places[reached]].sum() / len(_RECALLS))


def _overlap(
    found: NDArray[np.float64], wanted: NDArray[np.float64], ignored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    low = np.maximum(found[:, None, :2], wanted[None, :, :2])
    high = np.minimum(found[:, None, 2:], wanted[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    area = (found[:, 2:] - found[:, :2]).prod(1)[:, None]
    union = area + (wanted[:, 2:] - wanted[:, :2]).prod(1)[None] - shared
    around: NDArray[np.float64] = np.where(ignored[None], area, union)
    return np.asarray(shared / np.maximum(around, 1e-9))
