"""LabelMe annotations: a JSON file for each picture, with outlines in pixels.

The format is that of https://github.com/wkentaro/labelme: ``shapes`` with ``label``, ``points`` and
``shape_type``. The bounds of a shape are its box.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import is_there, number, shown, text
from anysize.sources.boxes.described import Box, Described, corners

# The picture itself may be in the file, in base64.
_LARGEST = 1 << 27
_HEAD = 1 << 16
_AREAS = ("rectangle", "polygon", "circle", "mask", "rotation", "ellipse")


def looks_like_labelme(path: Path) -> bool:
    """Whether a JSON file's beginning has the keys of LabelMe."""
    if not is_there(path):
        return False
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    # With its keys in alphabetical order the picture itself comes before the shapes.
    known = '"shapes"' in head or ('"imageData"' in head and '"flags"' in head)
    return known and head.lstrip("\ufeff \r\n\t").startswith("{")


def read_labelme(path: Path) -> Described:
    """What one annotation file says; what is wrong with it is in ``problem``."""
    origin = printable(str(path))
    try:
        entries = json.loads(text(path, _LARGEST)[0])
    except DataError as error:
        return Described(problem=error.problem, origin=origin)
    except (ValueError, RecursionError) as error:
        return Described(problem=f"is not valid JSON: {shown(error)}", origin=origin)
    shapes = entries.get("shapes") if isinstance(entries, Mapping) else None
    if not isinstance(shapes, list):
        return Described(problem="has no list 'shapes'", origin=origin)
    found, problems = [], []
    for place, shape in enumerate(shapes):
        made = _object(shape)
        if isinstance(made, str):
            problems.append(f"shapes[{place}]: {made}")
        else:
            found.append(made)
    return Described(
        objects=() if problems else tuple(found),
        size=_size(entries),
        problem="; ".join(problems[:3]) + (f"; … ({len(problems)} in all)" if problems[3:] else ""),
        origin=origin,
    )


def named_picture(path: Path) -> str:
    """The picture that an annotation file names; empty where it does not."""
    try:
        entries = json.loads(text(path, _LARGEST)[0])
    except (DataError, ValueError, RecursionError):
        return ""
    name = entries.get("imagePath") if isinstance(entries, Mapping) else None
    return name.replace("\\", "/").rpartition("/")[2] if isinstance(name, str) else ""


def _object(shape: Any) -> Annotation | str:
    if not isinstance(shape, Mapping):
        return "it must be an object with 'label' and 'points'"
    label, points, kind = shape.get("label"), shape.get("points"), shape.get("shape_type")
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = shown(label)
    if not isinstance(label, str) or not label.strip():
        return "it has no label"
    if kind is not None and kind not in _AREAS:
        return f"a {shown(kind)} has no box; remove it, or draw a rectangle"
    if not isinstance(points, list) or len(points) < 2:
        return "it needs two points or more"
    pairs = [_point(point) for point in points]
    sound = [pair for pair in pairs if pair is not None]
    if len(sound) < len(pairs):
        return "its points must be pairs of finite numbers"
    box = _bounds(sound, str(kind))
    return box if isinstance(box, str) else Annotation(printable(label.strip()), box)


def _bounds(points: Sequence[tuple[float, float]], kind: str) -> Box | str:
    across, down = zip(*points, strict=True)
    if kind == "circle":
        (x, y), (edge, other) = points[:2]
        radius = math.hypot(edge - x, other - y)
        return corners((x - radius, y - radius, x + radius, y + radius))
    return corners((min(across), min(down), max(across), max(down)))


def _point(point: Any) -> tuple[float, float] | None:
    if not isinstance(point, list) or len(point) != 2:
        return None
    x, y = (number(side) for side in point)
    return None if x is None or y is None else (x, y)


def _size(entries: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = number(entries.get("imageWidth")), number(entries.get("imageHeight"))
    return (width, height) if width and height and min(width, height) > 0 else None
