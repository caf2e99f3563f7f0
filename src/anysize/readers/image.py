"""Pictures that are read by region, in bounded memory whatever their size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.windows import Box
from anysize.readers.decode import decode
from anysize.readers.header import Header, read_header
from anysize.readers.parts import Part, decoded_part, jpeg_shrink, strips_part
from anysize.readers.pixels import ORIENTATIONS, oriented, to_rgb
from anysize.readers.reduced import Reduced
from anysize.readers.resize import StripResizer, resize
from anysize.readers.rows import FileRows, Rows, rows_for
from anysize.readers.strips import StripReader

MAX_PIXELS = 10_000_000_000
"""Pixels of one picture at most: ten gigapixels."""

MAX_ROW_BYTES = 1 << 26
"""Bytes of a row of pixels or of a tile at most (64 MiB): what is decoded at a time."""

WHOLE_PIXELS = 1 << 22
"""Pictures up to this size (4.2 megapixels, 12 MiB) are decoded at once; larger ones by strips."""

MAX_WHOLE_BYTES = 1 << 29
"""What a decoder that must hold the whole picture may take (512 MiB, at six bytes a pixel)."""

_WHOLE_BYTES_PER_PIXEL = 6

# Averaging a JPEG that was decoded at twice the wanted size or more differs from averaging the
# whole one by 0.2 to 1 grey level in the mean; from just above that size, by three times as much.
_MARGIN = 2


class Image:
    """A picture field (``anysize.core.records.ImageField``).

    The format is told by the content, not by the suffix: JPEG, PNG, TIFF, BMP, WebP, GIF (first
    frame). Pixels are displayed ones: EXIF orientation is applied, alpha is composited on white,
    grey, palette, CMYK and 16-bit samples become 8-bit RGB (``anysize.readers.pixels``).

    JPEG, PNG and TIFF larger than ``WHOLE_PIXELS`` are decoded in strips and never held. The
    decoders of interlaced PNG, progressive JPEG, BMP, WebP and GIF hold the whole picture, so
    these are refused beyond ``MAX_WHOLE_BYTES``. Safe to use from several threads.

    Args:
        content: the file, or a file's bytes.
        origin: what messages call it; a file's own path by default.
        max_pixels: larger pictures are refused.
    """

    __slots__ = ("_content", "_header", "_max_pixels", "_origin", "_pixels")

    def __init__(
        self, content: Path | bytes, origin: str | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._content = content
        self._origin = origin or (str(content) if isinstance(content, Path) else "picture")
        self._max_pixels = max_pixels
        self._header: Header | None = None
        self._pixels: NDArray[np.uint8] | None = None

    @classmethod
    def from_pixels(cls, pixels: NDArray[Any], origin: str | None = None) -> Image:
        """A picture that is in memory already.

        Args:
            pixels: uint8 or uint16, ``[h, w]`` or ``[h, w, bands]`` with 1 (grey), 2 (grey and
                alpha), 3 (RGB) or 4 (RGB and alpha) bands.
            origin: what messages call it.

        Raises:
            DataError: of another shape or type.
        """
        origin = origin or "picture"
        bands = pixels.shape[2] if pixels.ndim == 3 else 1
        if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or bands > 4:
            raise DataError(
                origin,
                "pixels must be uint8 or uint16 of the shape [height, width] or [height, width, "
                f"1 to 4], not {pixels.dtype} of the shape {list(pixels.shape)}",
            )
        if not pixels.size:
            raise DataError(origin, f"has no pixels: its shape is {list(pixels.shape)}")
        image = cls(b"", origin)
        image._pixels = to_rgb(pixels)
        image._header = Header(
            format="pixels",
            width=pixels.shape[1],
            height=pixels.shape[0],
            mode="RGB",
            orientation=1,
        )
        return image

    def __repr__(self) -> str:
        return f"Image({self._origin!r})"

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def header(self) -> Header:
        """What the file's header says.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        if self._header is None:
            header = read_header(self._content, self._origin)
            self._refuse_oversize(header)
            self._header = header
        return self._header

    @property
    def extent(self) -> tuple[int, int]:
        """``(width, height)`` as displayed, from the header alone.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        return self.header.extent

    def resized(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole picture as uint8 RGB ``[height, width, 3]``.

        A side that shrinks is averaged by area, one that grows is interpolated linearly; a JPEG is
        decoded at a half, a quarter or an eighth where that is at least twice the result. A picture
        larger than ``WHOLE_PIXELS`` takes one strip of memory and the result.

        Raises:
            DataError: damaged or truncated.
        """
        if width < 1 or height < 1:
            raise ValueError(f"a picture needs at least one pixel, not {width}x{height}")
        header = self.header
        turned = ORIENTATIONS[header.orientation][0]
        target = (height, width) if turned else (width, height)
        shrink = _jpeg_shrink(header, *target)
        if _streams(header, shrink):
            stored = self._resized_by_strips(header, shrink, *target)
        else:
            stored = resize(self._decoded(header, shrink), *target)
        return oriented(stored, header.orientation)

    def regions(self, boxes: Iterable[Box]) -> Iterator[NDArray[np.uint8]]:
        """uint8 RGB ``[box.height, box.width, 3]`` for each box, in one pass over the file.

        Args:
            boxes: inside the picture, ``top`` never decreasing.

        Raises:
            DataError: damaged or truncated; boxes before the damage have been given by then.
            ValueError: a box that is empty, beyond the picture, or above the one before.
        """
        return self._regions(boxes, 1)

    def reduced(self, room: float) -> Reduced:
        """The picture at a part of its size; see ``anysize.readers.reduced.reduced``.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        header = self.header
        factor = _jpeg_shrink(header, header.width / room, header.height / room)
        width, height = self._shrunk(header, factor)
        _, rows, columns = ORIENTATIONS[header.orientation]
        # What was rounded is stored last.
        return Reduced(
            factor=factor,
            extent=(width, height),
            left=header.extent[0] - width * factor if columns else 0,
            top=header.extent[1] - height * factor if rows else 0,
            picture=header.extent,
            regions=lambda boxes: self._regions(boxes, factor),
        )

    def _regions(self, boxes: Iterable[Box], shrink: int) -> Iterator[NDArray[np.uint8]]:
        header = self.header
        extent = self._shrunk(header, shrink)
        checked = _checked(boxes, extent, self._origin)
        if not _streams(header, shrink):
            return self._from_whole(header, checked, shrink)
        if header.orientation != 1:
            return self._from_turned(header, checked, shrink)
        return self._from_strips(header, checked, shrink)

    def part(self, box: Box, across: float, down: float) -> Part:
        """A part of the picture; see ``anysize.readers.parts.read_part``.

        Raises:
            DataError: damaged or truncated.
        """
        header = self.header
        shrink = jpeg_shrink(across, down) if header.format == "JPEG" else 1
        if not _streams(header, shrink):
            # What is displayed first is stored first only where the picture is not turned.
            rows = box.bottom if header.orientation == 1 else None
            stored = self._decoded(header, shrink, rows)
            return decoded_part(stored, header.orientation, shrink, header.extent)
        reader = StripReader(self._content, self._origin, header, shrink)
        turned = ORIENTATIONS[header.orientation][0]
        fineness = (down, across) if turned else (across, down)
        pixels, covered = strips_part(reader, _stored(header)(box), shrink, fineness)
        pixels = oriented(pixels, header.orientation)
        shown = _displayed(header)(covered)
        return Part(
            pixels=pixels,
            left=shown.left,
            top=shown.top,
            across=pixels.shape[1] / shown.width,
            down=pixels.shape[0] / shown.height,
            extent=header.extent,
        )

    def _shrunk(self, header: Header, shrink: int) -> tuple[int, int]:
        """Width and height as displayed, of what is decoded at a part of the size."""
        if shrink > 1 and _streams(header, shrink):
            # It rounds down.
            reader = StripReader(self._content, self._origin, header, shrink)
            turned = ORIENTATIONS[header.orientation][0]
            return (reader.height, reader.width) if turned else (reader.width, reader.height)
        width, height = header.extent
        return -(-width // shrink), -(-height // shrink)

    def _decoded(
        self, header: Header, shrink: int = 1, rows: int | None = None
    ) -> NDArray[np.uint8]:
        if self._pixels is not None:
            return self._pixels
        return decode(self._content, header, self._origin, shrink, rows=rows)

    def _from_whole(
        self, header: Header, boxes: Iterator[Box], shrink: int
    ) -> Iterator[NDArray[np.uint8]]:
        pixels: NDArray[np.uint8] | None = None
        for box in boxes:
            if pixels is None:
                whole = self._decoded(header, shrink)
                pixels = oriented(whole, header.orientation)
                # A turned picture is a copy.
                del whole
            yield pixels[box.top : box.bottom, box.left : box.right].copy()

    def _from_strips(
        self, header: Header, boxes: Iterator[Box], shrink: int
    ) -> Iterator[NDArray[np.uint8]]:
        reader = StripReader(self._content, self._origin, header, shrink)
        blocks = reader.blocks()
        rows: Rows | None = None
        decoded = 0
        try:
            for box in boxes:
                rows = _ample(rows, reader, box, decoded)
                while decoded < box.bottom:
                    top, left, block = next(blocks)
                    unseen = max(box.top - top, 0)
                    if unseen < len(block):
                        rows.write(top + unseen, left, block[unseen:])
                    if left + block.shape[1] == reader.width:
                        decoded = top + len(block)
                yield rows.read(box)
        finally:
            if rows is not None:
                rows.close()

    def _from_turned(
        self, header: Header, boxes: Iterator[Box], shrink: int
    ) -> Iterator[NDArray[np.uint8]]:
        # The rows that are displayed first may be stored last, or be columns.
        reader = StripReader(self._content, self._origin, header, shrink)
        rows = FileRows(reader.width, reader.height, reader.chunk)
        try:
            for top, left, block in reader.blocks():
                rows.write(top, left, block)
            place = _stored(header, self._shrunk(header, shrink))
            for box in boxes:
                yield oriented(rows.read(place(box)), header.orientation)
        finally:
            rows.close()

    def _resized_by_strips(
        self, header: Header, shrink: int, width: int, height: int
    ) -> NDArray[np.uint8]:
        reader = StripReader(self._content, self._origin, header, shrink)
        resizer = StripResizer((reader.width, reader.height), width, height)
        for strip in reader.strips():
            resizer.add(strip)
        return resizer.finish()

    def _refuse_oversize(self, header: Header) -> None:
        pixels = header.width * header.height
        size = f"{header.width}x{header.height}"
        if pixels > self._max_pixels:
            raise DataError(
                self._origin,
                f"has {size} pixels, {pixels} in all; a picture may have {self._max_pixels} at "
                "most (a small file that claims so many is a decompression bomb)",
            )
        if header.width * 3 > MAX_ROW_BYTES:
            raise DataError(
                self._origin,
                f"has {size} pixels; a row may have {MAX_ROW_BYTES // 3} at most, because rows are "
                "decoded as a whole",
            )
        if header.tile and header.tile[0] * header.tile[1] * 3 > MAX_ROW_BYTES:
            raise DataError(
                self._origin,
                f"has tiles of {header.tile[0]}x{header.tile[1]} pixels; a tile may have "
                f"{MAX_ROW_BYTES // 3} at most, because tiles are decoded as a whole",
            )
        if header.whole and pixels * _WHOLE_BYTES_PER_PIXEL > MAX_WHOLE_BYTES:
            raise DataError(
                self._origin,
                f"has {size} pixels and is of a kind ({header.kind}) whose decoder holds the whole "
                f"picture, which is read up to {MAX_WHOLE_BYTES // _WHOLE_BYTES_PER_PIXEL} pixels; "
                "convert it once to a tiled TIFF or a PNG without interlacing",
            )


def _streams(header: Header, shrink: int = 1) -> bool:
    """Whether what is decoded is too large to hold at once."""
    large = header.width * header.height > WHOLE_PIXELS * shrink**2
    return large and header.format in ("JPEG", "PNG", "TIFF")


def _jpeg_shrink(header: Header, width: float, height: float) -> int:
    """The part of its size at which a JPEG is decoded for a result of this size."""
    if header.format != "JPEG":
        return 1
    room = min(header.width / width, header.height / height) / _MARGIN
    return next((factor for factor in (8, 4, 2) if factor <= room), 1)


def _ample(rows: Rows | None, reader: StripReader, box: Box, decoded: int) -> Rows:
    """Rows with room for the box and the strip that may overhang it."""
    capacity = min(box.height + reader.rows, reader.height)
    if rows is not None and rows.capacity >= capacity:
        return rows
    larger = rows_for(reader.width, capacity, reader.chunk)
    if rows is not None:
        kept = Box(0, max(box.top, decoded - rows.capacity), reader.width, decoded)
        if kept.height > 0:
            larger.write(kept.top, kept.left, rows.read(kept))
        rows.close()
    return larger


def _checked(boxes: Iterable[Box], extent: tuple[int, int], origin: str) -> Iterator[Box]:
    width, height = extent
    top = 0
    for box in boxes:
        if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
            raise ValueError(f"{origin}: {box} is not inside the picture of {width}x{height}")
        if box.top < top:
            raise ValueError(f"{origin}: {box} is above the box before it, which began at {top}")
        top = box.top
        yield box


def _stored(header: Header, extent: tuple[int, int] | None = None) -> Callable[[Box], Box]:
    """Maps a displayed box to the stored one, of the picture or of one of another extent."""
    transpose, rows, columns = ORIENTATIONS[header.orientation]
    width, height = extent or header.extent

    def place(box: Box) -> Box:
        left, right = (width - box.right, width - box.left) if columns else (box.left, box.right)
        top, bottom = (height - box.bottom, height - box.top) if rows else (box.top, box.bottom)
        return Box(top, left, bottom, right) if transpose else Box(left, top, right, bottom)

    return place


def _displayed(header: Header) -> Callable[[Box], Box]:
    """Maps a stored box to the displayed one."""
    transpose, rows, columns = ORIENTATIONS[header.orientation]
    width, height = header.extent

    def place(box: Box) -> Box:
        if transpose:
            box = Box(box.top, box.left, box.bottom, box.right)
        left, right = (width - box.right, width - box.left) if columns else (box.left, box.right)
        top, bottom = (height - box.bottom, height - box.top) if rows else (box.top, box.bottom)
        return Box(left, top, right, bottom)

    return place
