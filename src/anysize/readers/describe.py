"""What can be said of a picture file, damaged ones included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anysize.core.errors import DataError
from anysize.readers.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """A picture file in one line.

    Attributes:
        path: the file.
        bytes: its size on disk.
        format: ``JPEG``, ``PNG`` …, None where the header cannot be read.
        width: in pixels as displayed; 0 where unknown.
        height: in pixels as displayed; 0 where unknown.
        mode: sample layout (``RGB``, ``L``, ``CMYK`` …).
        orientation: EXIF value, 1 is upright.
        problem: what is wrong with it, or None.
    """

    path: Path
    bytes: int
    format: str | None = None
    width: int = 0
    height: int = 0
    mode: str | None = None
    orientation: int = 1
    problem: str | None = None


def describe_image(path: Path, *, decode: bool = False) -> ImageFacts:
    """Reads a picture's header, and with ``decode`` the whole of it, to see whether it is sound.

    Without ``decode`` it takes a fraction of a millisecond and does not notice damage behind the
    header, except for a JPEG or PNG that does not end as one must. Never raises for a bad picture.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        return ImageFacts(path=path, bytes=0, problem=f"cannot be read: {error.strerror or error}")
    image = Image(path)
    try:
        header = image.header
    except DataError as error:
        return ImageFacts(path=path, bytes=size, problem=error.problem)
    problem = _cut(path, header.format, size)
    if decode and problem is None:
        try:
            image.resized(8, 8)
        except DataError as error:
            problem = error.problem
    width, height = header.extent
    return ImageFacts(
        path=path,
        bytes=size,
        format=header.format,
        width=width,
        height=height,
        mode=header.mode,
        orientation=header.orientation,
        problem=problem,
    )


def _cut(path: Path, name: str, size: int) -> str | None:
    """A problem where a file lacks the mark that its format ends with, in its last 64 KiB.

    Not only at the very end, because cameras write further data behind it.
    """
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
    if name not in ends:
        return None
    with path.open("rb") as file:
        file.seek(max(size - (1 << 16), 0))
        if ends[name] in file.read():
            return None
    return f"is truncated: a {name} must end with {ends[name]!r}"
