"""A ``metadata.jsonl`` with objects: a line for each picture, as the datasets library reads it.

The format is that of an image folder for object detection
(https://huggingface.co/docs/datasets/image_dataset#object-detection): ``file_name`` and
``objects``, with a list of boxes (left, top, width, height) and one of categories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import head_of, shown
from anysize.sources.boxes.described import corners, named_object, together
from anysize.sources.boxes.listed_pictures import Listed
from anysize.sources.rows import ROW_LIMIT

SUFFIX = ".jsonl"
_BOXES = ("bbox", "bboxes", "box", "boxes")
_CATEGORIES = (
    "category", "categories", "label", "labels", "class", "classes", "name", "names",
    "category_id", "category_ids",
)  # fmt: skip


def fits(path: Path) -> bool:
    """Whether a file's first line names a picture and objects."""
    head = head_of(path).lstrip()
    first = head.partition("\n")[0]
    return head.startswith("{") and '"file_name"' in first and '"objects"' in first


def read(path: Path) -> Iterator[Listed]:
    """The pictures of a file, one after the other; a line that is none is passed over.

    Raises:
        DataError: it cannot be read, or a line is not valid.
    """
    try:
        with path.open("rb") as file:
            place = 0
            while line := file.readline(ROW_LIMIT):
                place += 1
                if line.strip():
                    yield _listed(_parsed(line, path, place), f"{path}:{place}")
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


def _parsed(line: bytes, path: Path, place: int) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(str(path), f"line {place} is not JSON: {shown(error)}") from None
    return found if isinstance(found, Mapping) else {}


def _listed(row: Mapping[str, Any], origin: str) -> Listed:
    name, objects = row.get("file_name"), row.get("objects")
    found: list[Annotation | str]
    if isinstance(objects, Mapping):
        found = _columns(objects)
    elif isinstance(objects, list):
        found = [_one(each) for each in objects]
    else:
        found = [] if objects is None else ["objects must be lists of boxes and categories"]
    return Listed(
        picture=name if isinstance(name, str) else "",
        split="",
        described=together(found, printable(origin)),
    )


def _columns(objects: Mapping[str, Any]) -> list[Annotation | str]:
    boxes, labels = _first(objects, _BOXES), _first(objects, _CATEGORIES)
    if not isinstance(boxes, list) or not isinstance(labels, list) or len(boxes) != len(labels):
        return ["objects must have a list 'bbox' and a list 'categories' of the same length"]
    pairs = zip(labels, boxes, strict=True)
    return [named_object(label, corners(_sides(box), from_sides=True)) for label, box in pairs]


def _one(entry: Any) -> Annotation | str:
    if not isinstance(entry, Mapping):
        return "it must be an object with 'bbox' and 'category'"
    box = corners(_sides(_first(entry, _BOXES)), from_sides=True)
    return named_object(_first(entry, _CATEGORIES), box)


def _first(entries: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((entries[name] for name in names if name in entries), None)


def _sides(box: Any) -> Sequence[Any]:
    return box if isinstance(box, list) else ()
