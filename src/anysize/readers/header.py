"""What a picture's header says, without decoding it."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.files import beginning
from anysize.readers.jpeg import Frame, read_frame

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
"""Formats that are read; each is recognised by its content, whatever the file's suffix."""

_JPEG = b"\xff\xd8\xff"
_MAGIC = (
    (_JPEG, "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)


DAMAGE = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    EOFError, MemoryError, struct.error,
)  # fmt: skip
"""What Pillow raises on damaged pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header says.

    Attributes:
        format: one of ``FORMATS``.
        width: in pixels as stored (before the orientation).
        height: in pixels as stored.
        mode: Pillow's name of the sample layout (``RGB``, ``L``, ``CMYK``, ``I;16``, …).
        orientation: EXIF value 1 to 8.
        tile: ``(width, height)`` of the tiles of a tiled TIFF, else None.
        strip: rows of a strip of another TIFF, else 0.
        whole: the decoder must hold the whole picture (interlaced PNG, progressive JPEG, and the
            formats that are not streamed).
    """

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    tile: tuple[int, int] | None = None
    strip: int = 0
    whole: bool = False

    @property
    def kind(self) -> str:
        """The format as people call it."""
        if self.whole and self.format in ("PNG", "JPEG"):
            return {"PNG": "interlaced PNG", "JPEG": "progressive JPEG"}[self.format]
        return self.format

    @property
    def extent(self) -> tuple[int, int]:
        """``(width, height)`` as displayed."""
        if self.orientation >= 5:
            return self.height, self.width
        return self.width, self.height


def sniff(head: bytes) -> str | None:
    """The format that a file's first 16 bytes show, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def read_header(content: Path | bytes, origin: str) -> Header:
    """Reads a header.

    Raises:
        DataError: unreadable, empty, of no known format, or a damaged header.
        MissingExtraError: Pillow is not installed.
    """
    try:
        head, whole = beginning(content) if isinstance(content, Path) else (content, True)
        if head.startswith(_JPEG):
            frame = read_frame(head)
            if frame is not None:
                return _of_frame(frame)
        if whole:
            return _read(io.BytesIO(head), origin)
        assert isinstance(content, Path)
        with content.open("rb") as file:
            return _read(file, origin)
    except OSError as error:
        raise DataError(origin, f"cannot be read: {error.strerror or error}") from None


def open_pillow(file: Any, name: str) -> Any:
    """Pillow's picture of a known format, without Pillow's limit on pixels.

    That limit is process-wide and smaller than what is read here by strips; this package has one
    of its own.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("pillow", "vision") from None
    Image.init()
    factory, _ = Image.OPEN[name]
    return factory(file, "")


def _of_frame(frame: Frame) -> Header:
    return Header(
        format="JPEG",
        width=frame.width,
        height=frame.height,
        mode={1: "L", 3: "RGB", 4: "CMYK"}[frame.components],
        orientation=frame.orientation,
        whole=frame.progressive,
    )


def _read(file: Any, origin: str) -> Header:
    head = file.read(16)
    if not head:
        raise DataError(origin, "is empty (0 bytes), not a picture")
    name = sniff(head)
    if name is None:
        raise DataError(
            origin, f"is not a picture in a known format ({', '.join(FORMATS)}); damaged?"
        )
    file.seek(0)
    tile, strip = None, 0
    try:
        picture = open_pillow(file, name)
        orientation = _orientation(picture, name)
        width, height = picture.size
        if name == "TIFF":
            # Pillow gives the size as displayed.
            tags = picture.tag_v2
            width, height = tags[256], tags[257]
            if 322 in tags:
                tile = tags[322], tags[323]
            else:
                strip = tags.get(278, height)
    except DAMAGE as error:
        raise DataError(
            origin, f"has a {name} header that is damaged or of an unknown kind: {error}"
        ) from None
    if width < 1 or height < 1:
        raise DataError(origin, f"is {width}x{height} pixels; a picture needs at least one")
    whole = (
        name in ("BMP", "WEBP", "GIF")
        or (name == "PNG" and bool(picture.info.get("interlace")))
        or (name == "JPEG" and bool(picture.info.get("progressive")))
    )
    return Header(
        format=name,
        width=width,
        height=height,
        mode=picture.mode,
        orientation=orientation,
        tile=tile,
        strip=strip,
        whole=whole,
    )


def _image_class() -> Any:
    from PIL import Image

    return Image.Image


def _orientation(picture: Any, name: str) -> int:
    if name == "TIFF":
        value = picture.tag_v2.get(274, 1)
    else:
        try:
            # Not picture.getexif(): for PNG that decodes the picture, to look behind it.
            value = _image_class().getexif(picture).get(274, 1)
        except Exception:  # noqa: BLE001  EXIF is written by anyone; a broken one means "none"
            value = 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
