"""CVAT's XML for pictures: one file with all pictures and their shapes, in pixels.

The format is "CVAT for images 1.1" (https://docs.cvat.ai/docs/manual/advanced/formats/). The file
is read as a stream, and the bounds of a shape are its box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from anysize.core.errors import DataError
from anysize.core.objects import Annotation
from anysize.readers.encodings import printable
from anysize.sources.boxes.annotation_files import head_of, number
from anysize.sources.boxes.described import Box, corners, named_object, together
from anysize.sources.boxes.listed_pictures import Listed

SUFFIX = ".xml"
_BLOCK = 1 << 18
_PICTURE = "image"
_SHAPES = ("box", "polygon", "ellipse")
_WITHOUT_BOX = ("points", "polyline", "cuboid", "skeleton", "mask")


def fits(path: Path) -> bool:
    """Whether a file's beginning is that of CVAT's annotations."""
    head = head_of(path)
    return "<annotations" in head and ("<image" in head or "<meta" in head or "<version" in head)


def read(path: Path) -> Iterator[Listed]:
    """The pictures of a file, one after the other.

    Raises:
        DataError: not valid, annotations of a video, or a document type, which can make a small
            file large.
    """
    reading = _Reading(path)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.StartElementHandler = reading.begin
    parser.EndElementHandler = reading.end
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                parser.Parse(block)
                yield from reading.take()
            parser.Parse(b"", True)
            yield from reading.take()
    except expat.ExpatError as error:
        raise DataError(str(path), f"is not valid XML: {error}") from None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


class _Reading:
    """Takes the elements of a file as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image: Mapping[str, str] | None = None
        self._found: list[Annotation | str] = []
        self._done: list[Listed] = []

    def doctype(self, *_: object) -> None:
        raise DataError(str(self._path), "declares a document type, which annotations do not need")

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "track":
            raise DataError(
                str(self._path),
                "holds annotations of a video; export the frames as 'CVAT for images'",
            )
        if tag == _PICTURE:
            self._image, self._found = attributes, []
        elif self._image is not None and tag in (*_SHAPES, *_WITHOUT_BOX):
            self._found.append(named_object(attributes.get("label"), _box(tag, attributes)))

    def end(self, tag: str) -> None:
        if tag != _PICTURE or self._image is None:
            return
        image, self._image = self._image, None
        name = image.get("name", "")
        width, height = number(image.get("width")), number(image.get("height"))
        described = together(
            self._found,
            printable(f"{self._path} ({name})"),
            size=(width, height) if width and height else None,
        )
        split = image.get("subset", "").lower()
        self._done.append(Listed(picture=name, split=split, described=described))

    def take(self) -> Iterator[Listed]:
        """The pictures that are complete."""
        done, self._done = self._done, []
        return iter(done)


def _box(tag: str, shape: Mapping[str, str]) -> Box | str:
    if tag == "box":
        return _turned([shape.get(side) for side in ("xtl", "ytl", "xbr", "ybr")], shape)
    if tag == "ellipse":
        x, y, across, down = (number(shape.get(key)) for key in ("cx", "cy", "rx", "ry"))
        if x is None or y is None or across is None or down is None:
            return "its ellipse must have a centre and radii"
        return _turned([x - across, y - down, x + across, y + down], shape)
    if tag in _WITHOUT_BOX:
        return f"a shape of the kind {tag} has no box; remove it, or draw a rectangle"
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    points = [(number(pair[0]), number(pair[-1])) for pair in pairs if len(pair) == 2]
    xs = [x for x, _ in points if x is not None]
    ys = [y for _, y in points if y is not None]
    if not xs or len(xs) < len(pairs) or len(ys) < len(pairs):
        return "its points must be pairs of finite numbers"
    return corners((min(xs), min(ys), max(xs), max(ys)))


def _turned(sides: Sequence[str | float | None], shape: Mapping[str, str]) -> Box | str:
    """The bounds of a box that is turned about its centre, by degrees."""
    box = corners(sides)
    angle = number(shape.get("rotation", 0.0))
    if isinstance(box, str) or not angle:
        return box
    left, top, right, bottom = box
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = right - left, bottom - top
    across, down = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return corners((x - across, y - down, x + across, y + down))
