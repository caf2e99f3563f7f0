"""The report of an object detector: one HTML page, with curves and the worst misses drawn."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.errors import AnysizeError
from anysize.core.files import write_json, write_text
from anysize.core.records import Source
from anysize.evaluation import record_sections
from anysize.evaluation.detection_result import DetectionEvaluation, Misses
from anysize.evaluation.findings import findings_section
from anysize.evaluation.markup import percent, section
from anysize.evaluation.plots import precision_recall
from anysize.evaluation.report import facts_of, page, short_name
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
    about = facts_of(card, source)
    body = "".join(
        (
            _cards(evaluation),
            _notices(evaluation),
            _curves(evaluation),
            _classes(evaluation),
            _worst(evaluation, source),
            findings_section(evaluation.findings),
            record_sections.provenance(about),
        )
    )
    subtitle = " · ".join(str(card[name]) for name in ("task", "model") if name in card)
    title = f"Evaluation on {short_name(source.name)}"
    entries = {**evaluation.to_json(), "provenance": about}
    write_json(folder / "metrics.json", entries)
    write_text(folder / "report.html", page(title, subtitle, body))


def _cards(evaluation: DetectionEvaluation) -> str:
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
        (*names[name], percent(value)) for name, value in evaluation.main().items() if name in names
    ]
    entries += [
        ("precision", f"at a score of {evaluation.threshold:g}", percent(evaluation.precision)),
        ("recall", f"at a score of {evaluation.threshold:g}", percent(evaluation.recall)),
        ("pictures", f"{evaluation.windows:,} windows", f"{evaluation.pictures:,}"),
        ("objects", f"{evaluation.missed:,} missed, {evaluation.false:,} made up",
         f"{evaluation.objects:,}"),
    ]  # fmt: skip
    boxes = "".join(
        f'<div class="card"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
        for name, note, value in entries
    )
    return f'<div class="cards">{boxes}</div>'


def _notices(evaluation: DetectionEvaluation) -> str:
    lines = []
    if evaluation.unknown_labels:
        names = ", ".join(f"{name} ({n:,})" for name, n in evaluation.unknown_labels.items())
        lines.append(f"Objects of labels that the model does not know were left out: {names}.")
    if evaluation.without_target:
        lines.append(f"{evaluation.without_target:,} pictures have no annotations; not scored.")
    if evaluation.failure_count:
        named = "; ".join(f"{each.id}: {each.error}" for each in evaluation.failures[:10])
        lines.append(f"{evaluation.failure_count:,} records could not be read: {named}")
    return "".join(f'<div class="notice">{escape(line)}</div>' for line in lines)


def _curves(evaluation: DetectionEvaluation) -> str:
    """Precision against recall, of all classes together and of those with the most objects."""
    classes = sorted(evaluation.scores.classes, key=lambda each: -each.objects)
    plots = [("all classes (mean)", _curve(evaluation.scores.classes))]
    plots += [(each.label, _curve([each])) for each in classes[:_MOST_CURVES]]
    body = "".join(
        f'<figure style="margin:0"><figcaption class="small">{escape(name)}</figcaption>'
        f"{plot}</figure>"
        for name, plot in plots
    )
    return section(
        "Precision and recall",
        "At an overlap of 0.50. Dashed: the score that gives this recall.",
        '<div style="display:grid;gap:1rem;'
        f'grid-template-columns:repeat(auto-fill,minmax(260px,1fr))">{body}</div>',
    )


def _curve(classes: Sequence[ClassScore]) -> str:
    precision = np.mean([each.curve for each in classes], axis=0)
    return precision_recall(precision, classes[0].scores if len(classes) == 1 else None)


def _classes(evaluation: DetectionEvaluation) -> str:
    rows = "".join(
        f'<tr><td class="name-cell">{escape(each.label)}</td><td>{each.objects:,}</td>'
        f"<td>{percent(each.ap)}</td><td>{percent(each.ap50)}</td><td>{percent(each.ap75)}</td>"
        f"<td>{percent(each.recall50)}</td></tr>"
        for each in evaluation.scores.classes
    )
    return section(
        "Classes",
        "",
        '<div class="scroll"><table class="wide"><thead><tr><th class="name-cell">class</th>'
        "<th>objects</th><th>AP</th><th>AP50</th><th>AP75</th><th>found at any score</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>",
    )


def _worst(evaluation: DetectionEvaluation, source: Source) -> str:
    if not evaluation.worst:
        return ""
    figures = "".join(_picture(each, source) for each in evaluation.worst)
    legend = " ".join(
        f'<span style="color:{colour}">■</span> {name}' for name, colour in _COLOURS.items()
    )
    return section(
        "Worst misses",
        f"The pictures with the most errors, at a score of {evaluation.threshold:g} and an overlap "
        "of 0.50.",
        f'<p class="small">{legend}</p><div style="display:grid;gap:1rem;'
        f'grid-template-columns:repeat(auto-fill,minmax(320px,1fr))">{figures}</div>',
    )


def _picture(misses: Misses, source: Source) -> str:
    caption = (
        f"{misses.id}: {len(misses.found)} found, {len(misses.missed)} missed, "
        f"{len(misses.false)} false"
    )
    try:
        record = source[misses.index]
        (image,) = record.fields.values()
        width, height = image.extent  # type: ignore[union-attr]
        factor = min(_LONGEST_SIDE / max(width, height), 1.0)
        size = max(round(width * factor), 1), max(round(height * factor), 1)
        data = _jpeg(image.resized(*size))  # type: ignore[union-attr]
    except AnysizeError as error:
        return f"<figure><figcaption>{escape(caption)}: {escape(str(error))}</figcaption></figure>"
    stroke = max(width, height) / 250
    drawn = "".join(
        (
            *(_box(each.box, each.label, "found", stroke) for each in misses.found),
            *(_box(each.box, each.label, "false", stroke) for each in misses.false),
            *(_box(each.box, each.label, "missed", stroke) for each in misses.missed),
        )
    )
    return (
        f'<figure style="margin:0"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(caption)}" style="width:100%;height:auto">'
        f'<image href="data:image/jpeg;base64,{data}" width="{width}" height="{height}"/>'
        f'{drawn}</svg><figcaption class="small">{escape(caption)}</figcaption></figure>'
    )


def _box(box: tuple[float, float, float, float], label: str, kind: str, stroke: float) -> str:
    left, top, right, bottom = box
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{bottom - top:.1f}" fill="none" stroke="{_COLOURS[kind]}" '
        f'stroke-width="{stroke:.2f}"><title>{escape(label)}, {kind}</title></rect>'
    )


def _jpeg(pixels: np.ndarray[Any, Any]) -> str:
    from anysize.readers.resize import opencv

    cv2 = opencv()
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[:, :, ::-1]), quality)
    return base64.b64encode(data.tobytes()).decode()
