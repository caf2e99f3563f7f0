"""Decoding a picture of any size in blocks, through libvips.

What libvips itself keeps while a picture is read in order are some hundred rows, which for a wide
picture are more than all that is needed here. So it drops them after each block, and the blocks are
cut where its decoders stop of their own: at multiples of 16 rows, at the strips of a TIFF, at the
tiles of a tiled TIFF. Nothing is then decoded twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.readers.binding import dropping, heard, vips
from anysize.readers.complaints import is_damage, without_oddities
from anysize.readers.files import LARGEST_HELD, content
from anysize.readers.header import Header
from anysize.readers.holes import HOLE
from anysize.readers.limits import refuse_scans
from anysize.readers.pixels import NO_ALPHA, colour_bands, from_ycbcr, to_rgb
from anysize.readers.reading import Reading
from anysize.readers.scaling import AS_IT_IS, Range, Scale
from anysize.readers.vips_source import WatchedSource, plain_source

BLOCK_BYTES = 1 << 20
"""Bytes of samples that are decoded at a time, where the picture's own structure allows."""

_TYPES = {
    "uchar": np.uint8, "ushort": np.uint16, "char": np.int8, "short": np.int16, "int": np.int32,
    "uint": np.uint32, "float": np.float32, "double": np.float64,
}  # fmt: skip
_CONVERTED = ("lab", "labq", "labs", "xyz", "cmc", "lch", "hsv", "yxy", "oklab", "oklch")
DECODER_ROWS = 16
_CHUNK = 256
# Of a TIFF whose strips are larger, libvips reads single rows.
_LARGEST_STRIP = 128
_ODDITIES = 4


class StripReader:
    """One pass over a picture, top to bottom, as stored.

    Args:
        source: the file, or its bytes.
        reading: what messages call it, and how damage is taken.
        header: what its header says.
        shrink: 1, or for a JPEG 2, 4 or 8: decode at that part of the size.
        scales: of colours and alpha, where samples are no bytes; None looks at the picture first.

    Raises:
        DataError: unreadable, damaged, or with samples that are not read.
    """

    def __init__(
        self,
        source: Path | bytes,
        reading: Reading,
        header: Header,
        shrink: int = 1,
        scales: tuple[Scale, Scale] | None = None,
    ) -> None:
        self._vips = vips()
        self._reading = reading
        self._content = source
        self._header = header
        self._lenient = False
        self._mends = 0
        self._watched: WatchedSource | None = None
        self._options: dict[str, Any] = {"access": "random" if header.tile else "sequential"}
        if shrink > 1:
            self._options["shrink"] = shrink
        if header.format == "TIFF":
            self._options["page"] = header.page
        refuse_scans(header, source, reading.origin)
        self._image = self._opened()
        self.width: int = self._image.width
        self.height: int = self._image.height
        if shrink == 1 and (self.width, self.height) != (header.width, header.height):
            raise reading.damaged(
                f"it is {self.width}x{self.height} pixels where its header says "
                f"{header.width}x{header.height}"
            )
        if self._image.format not in _TYPES:
            raise DataError(
                reading.origin,
                f"has {self._image.format} samples, which are not read; convert it to 8 or 16 "
                "bits a sample",
            )
        self._type = np.dtype(_TYPES[self._image.format])
        self._cmyk = self._image.interpretation == "cmyk"
        self._bands: int = self._image.bands
        self._pixel = self._bands * self._type.itemsize
        self._region = self._vips.Region.new(self._image)
        self._columns, self.rows, self._dropped = self._geometry()
        self.chunk = header.tile[0] if header.tile else _CHUNK
        """Blocks begin and end at multiples of so many columns, or at the picture's edges."""
        self.scales = scales or self._scales()
        for scale in self.scales:
            reading.note(scale.note)
        reading.note(self._unread_bands())

    def _unread_bands(self) -> str:
        """A sentence for the receipt where bands are neither colours nor alpha."""
        behind = self._bands - colour_bands(self._bands, self._cmyk)
        unread = behind - (0 <= self._header.alpha < behind)
        if not unread:
            return ""
        return f"{unread} of {self._bands} bands, which are neither colours nor alpha, are not read"

    def _geometry(self) -> tuple[int, int, bool]:
        """Columns and rows of a block, and whether the decoder may drop what it keeps after each.

        That is where blocks end at the decoder's own, and where it does not hold the whole picture.
        """
        header = self._header
        if header.tile:
            width, height = header.tile
            tiles = max(1, BLOCK_BYTES // (width * height * self._pixel))
            return min(tiles * width, self.width), min(height, self.height), True
        unit = DECODER_ROWS
        if 0 < header.strip <= _LARGEST_STRIP:
            unit = max(1, DECODER_ROWS // header.strip) * header.strip
        units = max(1, BLOCK_BYTES // (unit * self.width * self._pixel))
        dropped = header.strip <= _LARGEST_STRIP and not header.whole
        return self.width, min(units * unit, self.height), dropped

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        """``(top, left, pixels)``: uint8 RGB ``[h, w, 3]``, row after row of blocks.

        A row of blocks is ``rows`` high, except for the last, which may be less.

        Raises:
            DataError: the picture is damaged from here on.
        """
        colours, alpha = self.scales
        ycbcr = self._header.ycbcr and self._bands == 3 and self._type == np.uint8
        for top, left, samples in self._samples():
            pixels = to_rgb(
                samples, self._cmyk, alpha=self._header.alpha, scale=colours, alpha_scale=alpha
            )
            yield top, left, from_ycbcr(pixels) if ycbcr else pixels

    def strips(self) -> Iterator[NDArray[np.uint8]]:
        """uint8 RGB ``[rows, width, 3]``, in order; the last one may have fewer rows.

        Raises:
            DataError: the picture is damaged from here on.
        """
        strip = np.empty((0, self.width, 3), dtype=np.uint8)
        for top, left, block in self.blocks():
            if block.shape[1] == self.width:
                yield block
                continue
            if left == 0:
                strip = np.empty((min(self.rows, self.height - top), self.width, 3), np.uint8)
            strip[:, left : left + block.shape[1]] = block
            if left + block.shape[1] == self.width:
                yield strip

    def _samples(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for top in range(0, self.height, self.rows):
            height = min(self.rows, self.height - top)
            for left in range(0, self.width, self._columns):
                width = min(self._columns, self.width - left)
                data = self._fetch(left, top, width, height)
                samples = np.frombuffer(data, dtype=self._type).reshape(height, width, self._bands)
                if top + height == self.height and left + width == self.width:
                    self._look_behind()
                yield top, left, samples
                if self._dropped and top + height < self.height:
                    dropping()(self._image)

    def _scales(self) -> tuple[Scale, Scale]:
        """What the samples of the whole picture ask for: colours and alpha."""
        if self._type == np.uint8:
            return AS_IT_IS, AS_IT_IS
        ranges = Range(), Range()
        colours = colour_bands(self._bands, self._cmyk)
        alpha = self._header.alpha
        for _, _, samples in self._samples():
            ranges[0].add(samples[:, :, :colours])
            if alpha != NO_ALPHA and colours + alpha < samples.shape[2]:
                ranges[1].add(samples[:, :, colours + alpha])
            if ranges[0].settled:
                break
        self._begin_anew()
        return ranges[0].scale(), ranges[1].scale()

    def _look_behind(self) -> None:
        """All rows are there: is something left of them?"""
        if self._header.format != "JPEG" or self._lenient:
            return
        left = self._watched.left() if self._watched is not None else 0
        with heard() as warnings:
            # Of its last rows the decoder speaks only when it is given up.
            del self._region, self._image
        problem = ""
        if left:
            problem = f"some {left} bytes of the picture are left when all its rows are there"
        elif any("read gave" in warning for warning in warnings):
            problem = "its last rows are not all there"
        elif self._watched is not None and self._watched.hole:
            problem = HOLE
        if problem and not self._reading.forgiven(problem):
            raise self._reading.damaged(problem)

    def _opened(self) -> Any:
        while True:
            try:
                return self._open()
            except self._vips.Error as error:
                problem = _words(error)
                mended = self._mended(problem)
                if mended is not None:
                    self._content = mended
                elif not self._lenient and self._reading.forgiven(problem):
                    self._lenient = True
                else:
                    raise self._reading.damaged(problem) from None
            except OSError as error:
                raise DataError(
                    self._reading.origin, f"cannot be read: {error.strerror or error}"
                ) from None

    def _open(self) -> Any:
        jpeg = self._header.format == "JPEG"
        strict = "warning" if jpeg else "error"
        self._watched = None
        if jpeg and not self._header.whole and not self._lenient:
            self._watched = WatchedSource(self._vips, self._content)
            source = self._watched.source
        else:
            source = plain_source(self._vips, self._content)
        options = {**self._options, "fail_on": "none" if self._lenient else strict}
        image = self._vips.Image.new_from_source(source, "", **options)
        return image.colourspace("srgb") if image.interpretation in _CONVERTED else image

    def _mended(self, problem: str) -> bytes | None:
        if self._header.format != "JPEG" or is_damage(problem):
            return None
        self._mends += 1
        data = self._content
        if self._mends > _ODDITIES:
            return None
        if not isinstance(data, bytes):
            data = content(data, LARGEST_HELD + 1)
        return None if len(data) > LARGEST_HELD else without_oddities(data, problem)

    def _fetch(self, left: int, top: int, width: int, height: int) -> Any:
        try:
            return self._region.fetch(left, top, width, height)
        except self._vips.Error as error:
            problem = _words(error)
            # Rows were dropped that the decoder had read ahead: this release stops elsewhere.
            if self._dropped and "out of order" in str(error):
                self._dropped = False
            elif (mended := self._mended(problem)) is not None:
                self._content = mended
            elif not self._lenient and self._reading.forgiven(problem):
                self._lenient = True
            else:
                raise self._reading.damaged(problem) from None
        # It begins anew, and keeps what it likes.
        self._begin_anew()
        return self._fetch(left, top, width, height)

    def _begin_anew(self) -> None:
        self._image = self._opened()
        self._region = self._vips.Region.new(self._image)


def _words(error: Exception) -> str:
    # The first line says what failed, the second why; the rest are repetitions.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[1:2] or lines)
