"""CreateML's JSON: a list of pictures with their objects, boxes by their centre, in pixels.

The format is that of Apple's object detector (Create ML, "Building an object detector data
source"): ``[{"image": …, "annotations": [{"label": …, "coordinates": {"x", "y", "width",
"height"}}]}]``; older files have ``imagefilename`` and ``annotation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import head_of, number
from anysize.sources.boxes.described import corners, named_object, together
from anysize.sources.boxes.listed_pictures import Listed
from anysize.sources.json_stream import entries

SUFFIX = ".json"
_NAMES = ("image", "imagefilename")
_OBJECTS = ("annotations", "annotation")
_SIDES = ("x", "y", "width", "height")


def fits(path: Path) -> bool:
    """Whether a file's beginning has the keys of CreateML."""
    head = head_of(path).lstrip()
    return head.startswith("[") and any(
        f'"{name}"' in head and f'"{key}"' in head
        for name, key in zip(_NAMES, _OBJECTS, strict=True)
    )


def read(path: Path) -> Iterator[Listed]:
    """The pictures of a file, one after the other.

    Raises:
        DataError: no list, or damaged JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for place, entry in enumerate(entries(file, str(path))):
                yield _listed(entry, f"{path} (entry {place})")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"cannot be read: {error}") from None


def _listed(entry: Any, origin: str) -> Listed:
    entry = entry if isinstance(entry, Mapping) else {}
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), "")
    objects = next((entry[key] for key in _OBJECTS if key in entry), None)
    found: list[Annotation | str] = [
        _object(each) for each in (objects if isinstance(objects, list) else ())
    ]
    if objects is not None and not isinstance(objects, list):
        found.append("its annotations must be a list")
    return Listed(picture=name, split="", described=together(found, printable(origin)))


def _object(entry: Any) -> Annotation | str:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("coordinates"), Mapping):
        return "it needs a label and coordinates"
    x, y, width, height = (number(entry["coordinates"].get(side)) for side in _SIDES)
    if x is None or y is None or width is None or height is None:
        return "its coordinates must be four finite numbers: x, y, width, height"
    sides = (x - width / 2, y - height / 2, width, height)
    return named_object(entry.get("label"), corners(sides, from_sides=True))
