"""What a model builder needs to know of training pictures and their objects."""

from __future__ import annotations

import statistics

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.core.records import Record, Source

_LOOKED_AT = 64
_SMALL = 0.1


def picture_size(source: Source, role: str) -> tuple[int, int] | None:
    """Median width and height of some pictures, evenly chosen; None where none can be read."""
    sizes = []
    for record in _some(source):
        try:
            sizes.append(record.image(role).extent)
        except DataError:
            continue
    if not sizes:
        return None
    widths, heights = zip(*sizes, strict=True)
    return int(statistics.median(widths)), int(statistics.median(heights))


def object_side(source: Source, role: str) -> float | None:
    """How large the smaller objects are: the side of a square, as a part of its picture's.

    In some pictures, evenly chosen, nine of ten objects of every class are larger. None where there
    are none.
    """
    parts: dict[str, list[float]] = {}
    for record in _some(source):
        if not isinstance(record.target, tuple):
            continue
        try:
            width, height = record.image(role).extent
        except DataError:
            continue
        for each in record.target:
            if isinstance(each, Annotation) and not each.ignored:
                left, top, right, bottom = each.box
                part = ((right - left) * (bottom - top) / (width * height)) ** 0.5
                parts.setdefault(each.label, []).append(part)
    sides = [sorted(found)[int(_SMALL * len(found))] for found in parts.values()]
    return min(sides, default=None)


def _some(source: Source) -> list[Record]:
    found = []
    for index in range(0, len(source), max(len(source) // _LOOKED_AT, 1)):
        try:
            found.append(source[index])
        except DataError:
            continue
    return found
