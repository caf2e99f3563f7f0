"""What a picture's header says, without decoding it."""

from __future__ import annotations

import functools
import io
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import DataError, MissingExtraError
from anysize.core.plurals import number_of
from anysize.readers import tiff, webp
from anysize.readers.files import LARGEST_HELD, beginning, open_regular
from anysize.readers.formats import FORMATS, HEAD, no_picture, other_format, sniff
from anysize.readers.frames import count_frames
from anysize.readers.jpeg import Frame, read_frame
from anysize.readers.pixels import BEHIND_COLOURS, NO_ALPHA

_JPEG = b"\xff\xd8\xff"
_MOST_PAGES = 1 << 16
_DEEP_PNG = 16
_DRAWN_OVER = 6.5
_STILL_WEBP = 9.5

DAMAGE = (Exception,)
"""What Pillow raises on damaged pictures: anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header says.

    Attributes:
        format: one of ``anysize.readers.formats.FORMATS``.
        width: in pixels as stored (before the orientation).
        height: in pixels as stored.
        mode: Pillow's name of the sample layout (``RGB``, ``L``, ``CMYK``, ``I;16``, …).
        orientation: EXIF value 1 to 8.
        tile: ``(width, height)`` of the tiles of a tiled TIFF, else None.
        strip: rows of a strip of another TIFF, else 0.
        whole: the decoder must hold the whole picture (interlaced PNG, progressive JPEG, and the
            formats that are not streamed).
        pixel: bytes that decoding takes for each pixel where ``whole``.
        stored_pixel: bytes of a pixel of a TIFF as stored.
        deep: a PNG of 16 bits a sample.
        ycbcr: the three bands of a TIFF are brightness and colours.
        alpha: which of the bands behind the colours is alpha; see ``anysize.readers.pixels``.
        page: of a TIFF, the number of the directory.
        pages: how many pages or frames there are.
        further: pictures beside it that are no pages and are not read: other sizes of an icon,
            further views, previews and maps of depth or brightness in a JPEG (MPO).
        directories: of a TIFF, its pages.
    """

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    tile: tuple[int, int] | None = None
    strip: int = 0
    whole: bool = False
    pixel: float = field(default=0.0, compare=False)
    stored_pixel: int = 1
    deep: bool = False
    ycbcr: bool = False
    alpha: int = BEHIND_COLOURS
    page: int = 0
    pages: int = 1
    further: int = 0
    directories: tuple[tiff.Directory, ...] = field(default=(), repr=False)

    @property
    def kind(self) -> str:
        """The format as people call it."""
        if self.whole and self.format in ("PNG", "JPEG"):
            return {"PNG": "interlaced PNG", "JPEG": "progressive JPEG"}[self.format]
        known = FORMATS.get(self.format)
        return known.words if known else self.format

    @property
    def unread(self) -> str:
        """What the file holds that is not read; empty where there is nothing."""
        if not self.further:
            return ""
        pictures = number_of(self.further, "further picture", "further pictures")
        return f"{pictures} in the file not read (other sizes, views, previews or maps)"

    @property
    def extent(self) -> tuple[int, int]:
        """``(width, height)`` as displayed."""
        if self.orientation >= 5:
            return self.height, self.width
        return self.width, self.height

    @property
    def needs(self) -> int:
        """Bytes that a decoder takes which holds the whole picture."""
        return int(self.width * self.height * self.pixel)


def read_header(content: Path | bytes, origin: str) -> Header:
    """Reads a header.

    Raises:
        DataError: unreadable, empty, of no known format, or a damaged header.
        MissingExtraError: Pillow is not installed.
    """
    name = content.name if isinstance(content, Path) else origin
    try:
        head, whole = beginning(content) if isinstance(content, Path) else (content, True)
        if head.startswith(_JPEG):
            frame = read_frame(head)
            if frame is not None:
                return _of_frame(frame)
        if whole:
            return _read(io.BytesIO(head), origin, name)
        assert isinstance(content, Path)
        with os.fdopen(open_regular(content), "rb") as file:
            return _read(file, origin, name)
    except OSError as error:
        raise DataError(origin, f"cannot be read: {error.strerror or error}") from None


def open_pillow(file: Any, name: str) -> Any:
    """Pillow's picture of a known format, without Pillow's limit on pixels.

    That limit is process-wide and smaller than what is read here by strips; this package has one
    of its own.
    """
    pillow = _pillow()
    pillow.init()
    factory, _ = pillow.OPEN[name]
    return factory(file, "")


def of_directory(page: tiff.Directory, directories: tuple[tiff.Directory, ...]) -> Header:
    """The header of a page of a TIFF."""
    return Header(
        format="TIFF",
        width=page.width,
        height=page.height,
        mode=page.mode,
        orientation=page.orientation,
        tile=page.tile,
        strip=page.strip,
        stored_pixel=page.pixel,
        ycbcr=page.ycbcr,
        alpha=NO_ALPHA if page.alpha is None else page.alpha,
        page=page.number,
        pages=len(directories),
        directories=directories,
    )


def _of_frame(frame: Frame) -> Header:
    return Header(
        format="JPEG",
        width=frame.width,
        height=frame.height,
        mode={1: "L", 3: "RGB", 4: "CMYK"}[frame.components],
        orientation=frame.orientation,
        whole=frame.progressive,
        pixel=frame.coefficients + 1,
        further=frame.pictures - 1,
    )


def _read(file: BinaryIO, origin: str, path: str) -> Header:
    head = file.read(HEAD)
    if not head:
        raise DataError(origin, "is empty (0 bytes), not a picture")
    name = sniff(head, path)
    if name is None:
        raise DataError(origin, _unknown(head))
    file.seek(0)
    try:
        if name == "TIFF":
            pages = tiff.directories(file)
            header = of_directory(pages[0], pages)
        elif name == "WEBP":
            header = _of_webp(webp.read(file))
        else:
            header = _by_pillow(file, name, head)
    except MissingExtraError:
        raise
    except DAMAGE as error:
        # Pillow wraps what Python says of bytes that are missing.
        words = "it ends within its header" if "requires a buffer of" in str(error) else error
        raise DataError(
            origin,
            f"has a {FORMATS[name].words} header that is damaged or of an unknown kind: {words}",
        ) from None
    for page in header.directories or (header,):
        if page.width < 1 or page.height < 1:
            raise DataError(
                origin, f"is {page.width}x{page.height} pixels; a picture needs at least one"
            )
    return header


def _unknown(head: bytes) -> str:
    other = other_format(head)
    if other is not None:
        return f"is {other}, which is not read; convert it to JPEG, PNG or TIFF"
    instead = no_picture(head)
    if instead is not None:
        return f"is no picture but {instead}"
    words = ", ".join(known.words for known in FORMATS.values())
    return f"is not a picture in a known format ({words}); damaged?"


def _of_webp(found: webp.Canvas) -> Header:
    return Header(
        format="WEBP",
        width=found.width,
        height=found.height,
        mode="RGBA" if found.alpha else "RGB",
        orientation=_orientation_in(found.exif),
        whole=True,
        # One that is no animation is decoded by libvips where it is large.
        pixel=FORMATS["WEBP"].pixel if found.frames > 1 else _STILL_WEBP,
        pages=found.frames,
    )


def _by_pillow(file: BinaryIO, name: str, head: bytes) -> Header:
    if name == "AVIF":
        # Its reader holds the file.
        file = io.BytesIO(file.read(LARGEST_HELD))
    picture = open_pillow(file, name)
    width, height = picture.size
    whole = (
        not FORMATS[name].streams
        or (name == "PNG" and bool(picture.info.get("interlace")))
        or (name == "JPEG" and bool(picture.info.get("progressive")))
    )
    pages, further = 1, 0
    if name == "JPEG":
        further = getattr(picture, "n_frames", 1) - 1
    elif name == "ICO":
        further = len(picture.info.get("sizes", ())) - 1
    elif name == "AVIF":
        pages = min(picture.n_frames, _MOST_PAGES)
    elif name == "GIF" or (name == "PNG" and hasattr(picture, "n_frames")):
        pages = count_frames(file, name)
    return Header(
        format=name,
        width=int(width),
        height=int(height),
        mode=picture.mode,
        orientation=_orientation(picture),
        whole=whole,
        # Beside a frame, an animation holds what it is drawn over.
        pixel=FORMATS[name].pixel + (_DRAWN_OVER if name == "PNG" and pages > 1 else 0),
        deep=(name == "PNG" and head[24:25] == bytes([_DEEP_PNG])),
        pages=max(pages, 1),
        further=max(further, 0),
    )


def _orientation(picture: Any) -> int:
    try:
        # Not picture.getexif(): for PNG that decodes the picture, to look behind it.
        return _upright(_pillow().Image.getexif(picture).get(274, 1))
    except DAMAGE:
        return 1  # EXIF is written by anyone; a broken one means "none"


def _orientation_in(exif: bytes) -> int:
    if not exif:
        return 1
    found = _pillow().Exif()
    try:
        found.load(exif)
        return _upright(found.get(274, 1))
    except DAMAGE:
        return 1


@functools.cache
def _pillow() -> Any:
    # Broken EXIF means that there is none, here as in other readers; nothing is lost by it.
    warnings.filterwarnings("ignore", ".*(EXIF data|Truncated File Read|Metadata Warning)")
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("pillow", "vision") from None
    return Image


def _upright(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
