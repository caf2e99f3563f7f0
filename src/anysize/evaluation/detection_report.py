"""The report of an object detector: one HTML page, with curves and the worst misses drawn."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.errors import AnysizeError
from anysize.core.objects import Annotation, Detection
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.evaluation import pages
from anysize.evaluation.detection_result import DetectionEvaluation, Misses
from anysize.evaluation.numbers import percent
from anysize.evaluation.plots import precision_recall
from anysize.tasks.detection_coco import ClassScore

_MOST_CURVES = 8
_LONGEST_SIDE = 720
_QUALITY = 80
_COLOURS = {"found": "#16a34a", "missed": "#dc2626", "false": "#f59e0b"}


def write(
    evaluation: DetectionEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    pages.report(
        "evaluation/templates/detection.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=_cards(evaluation),
        notices=_notices(evaluation),
        curves=_curves(evaluation),
        pictures=[_picture(each, source) for each in evaluation.worst],
        colours=_COLOURS,
    )


def _cards(evaluation: DetectionEvaluation) -> list[tuple[str, str, str]]:
    names = {
        "ap": ("AP", "overlaps of 0.50 to 0.95"),
        "ap50": ("AP50", "overlap of 0.50"),
        "ap75": ("AP75", "overlap of 0.75"),
        "ap_small": ("AP small", "below 32 × 32 pixels"),
        "ap_medium": ("AP medium", "below 96 × 96 pixels"),
        "ap_large": ("AP large", "96 × 96 pixels and more"),
        "ar": ("average recall", f"{evaluation.scores.limit:,} detections a picture at most"),
    }
    entries = [
        (names[name][0], percent(value), names[name][1])
        for name, value in evaluation.main().items()
        if name in names
    ]
    entries += [
        ("precision", percent(evaluation.precision), f"at a score of {evaluation.threshold:g}"),
        ("recall", percent(evaluation.recall), f"at a score of {evaluation.threshold:g}"),
        ("pictures", f"{evaluation.pictures:,}", f"{evaluation.windows:,} windows"),
        ("objects", f"{evaluation.objects:,}",
         f"{evaluation.missed:,} missed, {evaluation.false:,} made up"),
    ]  # fmt: skip
    return entries


def _notices(evaluation: DetectionEvaluation) -> list[str]:
    lines = []
    if evaluation.unknown_labels:
        names = ", ".join(f"{name} ({n:,})" for name, n in evaluation.unknown_labels.items())
        lines.append(f"Objects of labels that the model does not know were left out: {names}.")
    if evaluation.without_target:
        lines.append(f"{evaluation.without_target:,} pictures have no annotations; not scored.")
    if evaluation.failure_count:
        named = "; ".join(f"{each.id}: {each.error}" for each in evaluation.failures[:10])
        lines.append(
            f"{number_of(evaluation.failure_count, 'record', 'records')} could not be read: {named}"
        )
    return lines


def _curves(evaluation: DetectionEvaluation) -> list[tuple[str, str]]:
    """Precision against recall, of all classes together and of those with the most objects."""
    classes = sorted(evaluation.scores.classes, key=lambda each: -each.objects)
    return [
        ("all classes (mean)", _curve(evaluation.scores.classes)),
        *((each.label, _curve([each])) for each in classes[:_MOST_CURVES]),
    ]


def _curve(classes: Sequence[ClassScore]) -> str:
    precision = np.mean([each.curve for each in classes], axis=0)
    return precision_recall(precision, classes[0].scores if len(classes) == 1 else None)


def _picture(misses: Misses, source: Source) -> dict[str, Any]:
    """A picture and the boxes on it; with the reason in its caption where it cannot be read."""
    caption = (
        f"{misses.id}: {len(misses.found)} found, {len(misses.missed)} missed, "
        f"{len(misses.false)} false"
    )
    try:
        record = source[misses.index]
        image = record.image(next(iter(record.fields)))
        width, height = image.extent
        factor = min(_LONGEST_SIDE / max(width, height), 1.0)
        size = max(round(width * factor), 1), max(round(height * factor), 1)
        data = _jpeg(image.resized(*size))
    except AnysizeError as error:
        return {"caption": f"{caption}: {error}", "data": ""}
    kinds: dict[str, Sequence[Annotation | Detection]] = {
        "found": misses.found,
        "false": misses.false,
        "missed": misses.missed,
    }
    return {
        "caption": caption,
        "data": data,
        "width": width,
        "height": height,
        "stroke": max(width, height) / 250,
        "boxes": [(each.box, each.label, kind) for kind, those in kinds.items() for each in those],
    }


def _jpeg(pixels: np.ndarray[Any, Any]) -> str:
    from anysize.readers.resize import opencv

    cv2 = opencv()
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[:, :, ::-1]), quality)
    return base64.b64encode(data.tobytes()).decode()
