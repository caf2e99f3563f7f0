"""VGG Image Annotator's JSON: an object of pictures, each with its regions, in pixels.

The format is that of VIA 1 and 2 (https://www.robots.ox.ac.uk/~vgg/software/via/), exported
annotations as well as whole projects. The bounds of a region are its box.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import head_of, number, shown, text
from anysize.sources.boxes.described import Box, corners, named_object, together
from anysize.sources.boxes.listed_pictures import Listed

SUFFIX = ".json"
_LARGEST = 1 << 28
_USUAL = ("label", "class", "name", "type", "category", "object")


def fits(path: Path) -> bool:
    """Whether a file's beginning has the keys of VIA."""
    head = head_of(path).lstrip()
    listed = '"filename"' in head and '"regions"' in head
    return head.startswith("{") and (listed or '"_via_settings"' in head)


def read(path: Path) -> Iterator[Listed]:
    """The pictures of a file.

    Raises:
        DataError: not valid, or too large.
    """
    try:
        entries = json.loads(text(path, _LARGEST)[0])
    except (ValueError, RecursionError) as error:
        raise DataError(str(path), f"is not valid JSON: {shown(error)}") from None
    entries = entries.get("_via_img_metadata", entries) if isinstance(entries, Mapping) else None
    if not isinstance(entries, Mapping):
        raise DataError(str(path), "has no object of pictures ('_via_img_metadata')")
    for key, entry in entries.items():
        if not isinstance(entry, Mapping):
            continue
        name = entry.get("filename")
        regions = entry.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, Mapping) else regions
        found = [_region(each) for each in regions] if isinstance(regions, list) else []
        yield Listed(
            picture=name if isinstance(name, str) else "",
            split="",
            described=together(found, printable(f"{path} ({key})")),
        )


def _region(entry: Any) -> Annotation | str:
    shape = entry.get("shape_attributes") if isinstance(entry, Mapping) else None
    if not isinstance(shape, Mapping):
        return "it has no shape_attributes"
    attributes = entry.get("region_attributes")
    return named_object(_label(attributes if isinstance(attributes, Mapping) else {}), _box(shape))


def _label(attributes: Mapping[str, Any]) -> Any:
    """The value of the one attribute, or of the one that is called as labels are."""
    usual = [key for key in _USUAL if key in {name.lower() for name in attributes}]
    names = {name.lower(): value for name, value in attributes.items()}
    value = names[usual[0]] if usual else next(iter(names.values())) if len(names) == 1 else None
    if isinstance(value, Mapping):  # boxes to tick
        ticked = [name for name, yes in value.items() if yes]
        return ticked[0] if len(ticked) == 1 else None
    return value


def _box(shape: Mapping[str, Any]) -> Box | str:
    kind = shape.get("name")
    if kind == "rect":
        return corners([shape.get(key) for key in ("x", "y", "width", "height")], from_sides=True)
    if kind in ("circle", "ellipse"):
        x, y = number(shape.get("cx")), number(shape.get("cy"))
        across = number(shape.get("r", shape.get("rx")))
        down = number(shape.get("r", shape.get("ry")))
        if x is None or y is None or across is None or down is None:
            return f"its {kind} must have a centre and radii"
        return corners((x - across, y - down, x + across, y + down))
    xs, ys = (shape.get(key) for key in ("all_points_x", "all_points_y"))
    if kind != "polygon" or not isinstance(xs, list) or not isinstance(ys, list):
        return f"a {shown(kind)} has no box; remove it, or draw a rectangle"
    across_all, down_all = [number(x) for x in xs], [number(y) for y in ys]
    if not xs or not ys or None in across_all or None in down_all:
        return "its points must be finite numbers"
    xs, ys = [x for x in across_all if x is not None], [y for y in down_all if y is not None]
    return corners((min(xs), min(ys), max(xs), max(ys)))
