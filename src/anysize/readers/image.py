"""Pictures that are read by region, in bounded memory whatever their size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.windows import Box
from anysize.readers.decode import decode, room_for
from anysize.readers.header import Header, of_directory, read_header
from anysize.readers.limits import MAX_PIXELS, WHOLE_PIXELS, refuse_long, refuse_oversize
from anysize.readers.orientation import displayed_box, oriented, stored_box, transposed
from anysize.readers.parts import Part, decoded_part, jpeg_shrink, strips_part
from anysize.readers.pillow import decode_frames
from anysize.readers.pixels import to_rgb
from anysize.readers.reading import Reading
from anysize.readers.reduced import Reduced
from anysize.readers.regions import checked, from_pixels, from_rows, from_strips, stored_rows
from anysize.readers.resize import StripResizer, resize
from anysize.readers.scaling import Scale, scale_of
from anysize.readers.strips import StripReader

# Averaging a JPEG that was decoded at twice the wanted size or more differs from averaging the
# whole one by 0.2 to 1 grey level in the mean; from just above that size, by three times as much.
_MARGIN = 2


class Image:
    """A picture field (``anysize.core.records.ImageField``).

    The format is recognised by content, not by suffix (``anysize.readers.formats``). Pixels are
    displayed ones: EXIF orientation is applied, alpha is composited on white, grey, palette, CMYK
    and samples of other kinds become 8-bit RGB (``anysize.readers.pixels``). Of several pages or
    frames this is the first; ``read_pages`` gives the others.

    JPEG, PNG and TIFF larger than ``WHOLE_PIXELS`` are decoded in strips and never held. The
    decoders of the other formats, interlaced PNG and progressive JPEG hold the whole picture, so
    these are refused beyond ``MAX_WHOLE_BYTES``. Safe to use from several threads.

    Args:
        content: the file, or a file's bytes.
        origin: what messages call it; a file's own path by default.
        max_pixels: larger pictures are refused.
    """

    __slots__ = ("_content", "_header", "_max_pixels", "_pages_read", "_pixels", "_reading",
                 "_scales")  # fmt: skip

    def __init__(
        self, content: Path | bytes, origin: str | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._content = content
        self._reading = Reading(
            origin or (str(content) if isinstance(content, Path) else "picture")
        )
        self._max_pixels = max_pixels
        self._header: Header | None = None
        self._pixels: NDArray[np.uint8] | None = None
        self._scales: tuple[Scale, Scale] | None = None
        self._pages_read = 0

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
        reading = Reading(origin)
        scale = scale_of(pixels if bands not in (2, 4) else pixels[:, :, :-1])
        reading.note(scale.note)
        return cls._held(to_rgb(pixels, scale=scale), reading)

    @classmethod
    def _held(cls, pixels: NDArray[np.uint8], reading: Reading) -> Image:
        """A picture of pixels as displayed, with the notes of what it was read from."""
        image = cls(b"", reading.origin)
        image._reading = reading
        image._pixels = pixels
        image._header = Header(
            format="pixels",
            width=pixels.shape[1],
            height=pixels.shape[0],
            mode="RGB",
            orientation=1,
        )
        return image

    def __repr__(self) -> str:
        return f"Image({self.origin!r})"

    @property
    def origin(self) -> str:
        return self._reading.origin

    @property
    def header(self) -> Header:
        """What the file's header says.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        if self._header is None:
            header = read_header(self._content, self.origin)
            refuse_oversize(header, self.origin, self._max_pixels)
            self._header = header
            self.note(header.unread)
        return self._header

    @property
    def extent(self) -> tuple[int, int]:
        """``(width, height)`` as displayed, from the header alone.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        return self.header.extent

    def tolerant(self) -> Image:
        """The same picture, read as far as possible where it is damaged; a note says so."""
        self._reading.tolerant = True
        return self

    @property
    def pages(self) -> int:
        """How many pages or frames there are; 1 for most pictures.

        Raises:
            DataError: not a picture, or over the size limits.
        """
        return self.header.pages

    def page_extents(self) -> list[tuple[int, int]]:
        """``(width, height)`` of every page as displayed."""
        header = self.header
        if header.directories:
            pages = header.directories
            return [of_directory(page, pages).extent for page in pages]
        return [header.extent] * header.pages

    def read_pages(self, numbers: Sequence[int]) -> Iterator[Image]:
        """Pages as pictures of their own, one after the other; notes are kept here.

        Args:
            numbers: which pages, from 0, rising.

        Raises:
            DataError: a page is damaged or too large, or frames take too long.
        """
        header = self.header
        self._pages_read = 0
        if header.pages == 1 or list(numbers) == [0]:
            self._pages_read = 1
            yield self
            return
        refuse_long(header, max(numbers), self.origin)
        if header.directories:
            for number in numbers:
                page = Image(self._content, max_pixels=self._max_pixels)
                page._reading = self._reading
                page._header = of_directory(header.directories[number], header.directories)
                refuse_oversize(page._header, self.origin, self._max_pixels)
                self._pages_read += 1
                yield page
            return
        for pixels in decode_frames(self._content, header, self._reading, numbers):
            self._pages_read += 1
            yield Image._held(oriented(pixels, header.orientation), self._reading)

    def note(self, sentence: str) -> None:
        """Keeps a sentence for the receipt."""
        self._reading.note(sentence)

    def notes(self) -> tuple[str, ...]:
        """What reading it showed; see ``anysize.core.records.Record``."""
        return tuple(self._reading.notes)

    def counts(self) -> Mapping[str, int]:
        """Pages and how many of them were read, where there are several."""
        header = self._header
        if header is None or header.pages == 1:
            return {}
        return {"pages": header.pages, "pages_read": max(self._pages_read, 1)}

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
        target = transposed((width, height), header.orientation)
        shrink = _jpeg_shrink(header, *target)
        if _streams(header, shrink):
            with room_for(header):
                reader = self._reader(header, shrink)
                resizer = StripResizer((reader.width, reader.height), *target)
                for strip in reader.strips():
                    resizer.add(strip)
                stored = resizer.finish()
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
        return Reduced.of(
            header.extent,
            header.orientation,
            factor,
            self._shrunk(header, factor),
            lambda boxes: self._regions(boxes, factor),
        )

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
        with room_for(header):
            reader = self._reader(header, shrink)
            fineness = (down, across) if header.orientation >= 5 else (across, down)
            place = stored_box(header.orientation, header.extent)
            pixels, covered = strips_part(reader, place(box), shrink, fineness)
        pixels = oriented(pixels, header.orientation)
        shown = displayed_box(header.orientation, header.extent)(covered)
        return Part(
            pixels=pixels,
            left=shown.left,
            top=shown.top,
            across=pixels.shape[1] / shown.width,
            down=pixels.shape[0] / shown.height,
            extent=header.extent,
        )

    def _regions(self, boxes: Iterable[Box], shrink: int) -> Iterator[NDArray[np.uint8]]:
        header = self.header
        given = checked(boxes, self._shrunk(header, shrink), self.origin)
        if not _streams(header, shrink):
            yield from from_pixels(
                oriented(self._decoded(header, shrink), header.orientation), given
            )
        elif header.orientation == 1 and not header.whole:
            yield from from_strips(self._reader(header, shrink), given)
        else:
            with room_for(header):
                reader = self._reader(header, shrink)
                extent = reader.width, reader.height
                rows = stored_rows(reader)
                del reader
            yield from from_rows(rows, extent, header.orientation, given)

    def _shrunk(self, header: Header, shrink: int) -> tuple[int, int]:
        """Width and height as displayed, of what is decoded at a part of the size."""
        width, height = header.extent
        if shrink > 1 and _streams(header, shrink):
            # Strips round down.
            return max(width // shrink, 1), max(height // shrink, 1)
        return -(-width // shrink), -(-height // shrink)

    def _reader(self, header: Header, shrink: int) -> StripReader:
        reader = StripReader(self._content, self._reading, header, shrink, self._scales)
        self._scales = reader.scales
        return reader

    def _decoded(
        self, header: Header, shrink: int = 1, rows: int | None = None
    ) -> NDArray[np.uint8]:
        if self._pixels is not None:
            return self._pixels
        with room_for(header):
            return decode(self._content, header, self._reading, shrink, rows=rows)


def _streams(header: Header, shrink: int = 1) -> bool:
    """Whether what is decoded is too large to hold at once."""
    large = header.width * header.height > WHOLE_PIXELS * shrink**2
    still = header.format == "WEBP" and header.pages == 1
    return large and (still or header.format in ("JPEG", "PNG", "TIFF"))


def _jpeg_shrink(header: Header, width: float, height: float) -> int:
    """The part of its size at which a JPEG is decoded for a result of this size."""
    if header.format != "JPEG":
        return 1
    room = min(header.width / width, header.height / height) / _MARGIN
    return next((factor for factor in (8, 4, 2) if factor <= room), 1)
