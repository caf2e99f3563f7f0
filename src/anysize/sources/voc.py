"""Pascal VOC annotations: an XML file for each picture.

The format is that of the VOC development kit (Everingham and Winn 2012, "The PASCAL Visual Object
Classes Challenge 2012 development kit"): pixels count from 1, and ``xmax`` and ``ymax`` are the
last pixels inside.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.sources.detection import fitted

_LARGEST = 1 << 24


class VocReader:
    """Makes the objects of a picture from its annotation file.

    Args:
        root: folder that notes are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, picture: Path, note: bytes) -> tuple[Annotation, ...]:
        """The objects in the file that ``note`` names; none where it is empty.

        Raises:
            DataError: the file cannot be read, or is not an annotation; all faults are named.
        """
        return read_voc(self._root / note.decode()) if note else ()


def read_voc(path: Path) -> tuple[Annotation, ...]:
    """The objects of one annotation file.

    Raises:
        DataError: it cannot be read, or is not an annotation; all faults are named.
    """
    tree = _parse(path)
    if tree.tag != "annotation":
        raise DataError(str(path), f"its root must be <annotation>, not <{tree.tag}>")
    size = tree.find("size")
    width = height = math.inf
    if size is not None:
        width, height = (_number(size, side) or math.inf for side in ("width", "height"))
    found, problems = [], []
    for number, entry in enumerate(tree.findall("object")):
        name = (entry.findtext("name") or "").strip()
        bounds = entry.find("bndbox")
        sides = [
            None if bounds is None else _number(bounds, side)
            for side in ("xmin", "ymin", "xmax", "ymax")
        ]
        if not name:
            problems.append(f"object {number} has no <name>")
        if any(side is None for side in sides):
            problems.append(f"object {number} has no <bndbox> with four numbers")
            continue
        left, top, right, bottom = (side for side in sides if side is not None)
        box = fitted((left - 1, top - 1, right, bottom), width, height)
        if box is None:
            problems.append(
                f"object {number} ({name}): the box from ({left:g}, {top:g}) to ({right:g}, "
                f"{bottom:g}) has no part in the picture of {width:g}x{height:g}"
            )
            continue
        difficult = (entry.findtext("difficult") or "0").strip() == "1"
        found.append(Annotation(name, box, difficult=difficult))
    if problems:
        raise DataError(str(path), "; ".join(problems))
    return tuple(found)


def _parse(path: Path) -> Element:
    try:
        content = path.read_bytes() if path.stat().st_size <= _LARGEST else None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    if content is None:
        raise DataError(str(path), f"is larger than {_LARGEST >> 20} MiB, too much for a picture")
    if not content.strip():
        raise DataError(
            str(path), "is empty; a picture without objects has an <annotation> without <object>"
        )
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        # Entities can blow up a small file; annotations have none.
        raise DataError(str(path), "declares a document type, which annotations do not need")
    try:
        return fromstring(content)
    except ParseError as error:
        raise DataError(str(path), f"is not valid XML: {error}") from None


def _number(parent: Element, name: str) -> float | None:
    try:
        value = float(parent.findtext(name) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
