"""Pascal VOC annotations: an XML file for each picture.

The format is that of the VOC development kit (Everingham and Winn 2012, "The PASCAL Visual Object
Classes Challenge 2012 development kit"): pixels count from 1, and ``xmax`` and ``ymax`` are the
last pixels inside.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import content, number, shown
from anysize.sources.boxes.described import Described, corners

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path) -> Described:
    """What one annotation file says; what is wrong with it is in ``problem``."""
    origin = printable(str(path))
    try:
        tree = _parse(path)
    except DataError as error:
        return Described(problem=error.problem, origin=origin)
    if tree.tag != "annotation":
        problem = f"its root must be <annotation>, not <{shown(tree.tag)}>"
        return Described(problem=problem, origin=origin)
    found, problems = [], []
    for place, entry in enumerate(tree.findall("object")):
        name = printable((entry.findtext("name") or "").strip())
        if not name:
            problems.append(f"object {place} has no <name>")
        bounds = entry.find("bndbox")
        values = [None if bounds is None else number(bounds.findtext(side)) for side in _SIDES]
        if any(value is None for value in values):
            problems.append(f"object {place} has no <bndbox> with four numbers")
            continue
        left, top, right, bottom = (value for value in values if value is not None)
        box = corners((left - 1, top - 1, right, bottom))
        if isinstance(box, str):
            problems.append(f"object {place} ({shown(name)}): {box}")
            continue
        difficult = (entry.findtext("difficult") or "0").strip() == "1"
        found.append(Annotation(name, box, difficult=difficult))
    return Described(
        objects=() if problems else tuple(found),
        size=_size(tree),
        problem="; ".join(problems[:3]) + (f"; … ({len(problems)} in all)" if problems[3:] else ""),
        origin=origin,
    )


def named_picture(path: Path) -> str:
    """The picture that an annotation file names in ``<filename>``; empty where it does not."""
    try:
        return printable((_parse(path).findtext("filename") or "").strip())
    except DataError:
        return ""


def _size(tree: Element) -> tuple[float, float] | None:
    """The annotated picture's size; tools that do not know it write zeros."""
    size = tree.find("size")
    if size is None:
        return None
    width, height = (number(size.findtext(side)) for side in ("width", "height"))
    return (width, height) if width and height and min(width, height) > 0 else None


def _parse(path: Path) -> Element:
    found = content(path)
    if not found.strip():
        raise DataError(
            str(path), "is empty; a picture without objects has an <annotation> without <object>"
        )
    # Entities can blow up a small file; annotations have none. UTF-16 has zeros between letters.
    letters = found.replace(b"\0", b"")
    if b"<!ENTITY" in letters or b"<!DOCTYPE" in letters:
        raise DataError(str(path), "declares a document type, which annotations do not need")
    try:
        return fromstring(found)
    except (ParseError, LookupError, ValueError, RecursionError) as error:
        raise DataError(str(path), f"is not valid XML: {shown(error)}") from None
