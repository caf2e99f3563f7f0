"""Decoding a picture of any size in blocks, through libvips.

What libvips itself keeps while a picture is read in order are some hundred rows, which for a wide
picture are more than all that is needed here. So it is told after each block to drop them, and the
blocks are cut where its decoders stop of their own: at multiples of 16 rows, at the strips of a
TIFF, at the tiles of a tiled TIFF. Nothing is then decoded twice.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.header import Header
from anysize.readers.pixels import to_rgb

BLOCK_BYTES = 1 << 20
"""Bytes of samples that are decoded at a time, where the picture's own structure allows."""

_FORMATS = {"uchar": np.uint8, "ushort": np.uint16}
_READ = ("b-w", "srgb", "rgb", "rgb16", "grey16", "cmyk", "multiband")
_DECODER_ROWS = 16
_CHUNK = 256
# Of a TIFF whose strips are larger, libvips reads single rows.
_LARGEST_STRIP = 128


class StripReader:
    """One pass over a picture, top to bottom, as stored.

    Args:
        content: the file, or its bytes.
        origin: what messages call it.
        header: what its header says.
        shrink: 1, or for a JPEG 2, 4 or 8: decode at that part of the size.

    Raises:
        DataError: unreadable, damaged, or with samples that are not read.
    """

    def __init__(self, content: Path | bytes, origin: str, header: Header, shrink: int = 1) -> None:
        self._vips = vips()
        self._origin = origin
        # The bytes must outlive the reader, which does not copy them.
        self._content = content
        # Of a TIFF that is cut off, "truncated" gives black pixels; of a JPEG, "error" refuses
        # some that every viewer shows.
        options: dict[str, Any] = {
            "access": "random" if header.tile else "sequential",
            "fail_on": "truncated" if header.format == "JPEG" else "error",
        }
        if shrink > 1:
            options["shrink"] = shrink
        self._options = options
        self._image = self._open()
        self.width: int = self._image.width
        self.height: int = self._image.height
        kind = self._image.interpretation
        if self._image.format not in _FORMATS or kind not in _READ:
            raise DataError(
                origin,
                f"has {self._image.format} samples in the colour space {kind}, which are not read; "
                "convert it to 8 or 16 bits a sample in RGB",
            )
        self._cmyk = kind == "cmyk"
        self._pixel = self._image.bands * np.dtype(_FORMATS[self._image.format]).itemsize
        self._region = self._vips.Region.new(self._image)
        self._columns, self.rows, self._dropped = self._geometry(header)
        self.chunk = header.tile[0] if header.tile else _CHUNK
        """Blocks begin and end at multiples of so many columns, or at the picture's edges."""

    def _geometry(self, header: Header) -> tuple[int, int, bool]:
        """Columns and rows of a block, and whether the decoder may drop what it keeps after each.

        That is where blocks end at the decoder's own, and where it does not hold the whole picture.
        """
        if header.tile:
            width, height = header.tile
            tiles = max(1, BLOCK_BYTES // (width * height * self._pixel))
            return min(tiles * width, self.width), min(height, self.height), True
        unit = _DECODER_ROWS
        if 0 < header.strip <= _LARGEST_STRIP:
            unit = max(1, _DECODER_ROWS // header.strip) * header.strip
        units = max(1, BLOCK_BYTES // (unit * self.width * self._pixel))
        dropped = header.strip <= _LARGEST_STRIP and not header.whole
        return self.width, min(units * unit, self.height), dropped

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        """``(top, left, pixels)``: uint8 RGB ``[h, w, 3]``, row after row of blocks.

        A row of blocks is ``rows`` high, except for the last, which may be less.

        Raises:
            DataError: the picture is damaged from here on.
        """
        for top in range(0, self.height, self.rows):
            height = min(self.rows, self.height - top)
            for left in range(0, self.width, self._columns):
                width = min(self._columns, self.width - left)
                data = self._fetch(left, top, width, height)
                samples = np.frombuffer(data, dtype=_FORMATS[self._image.format])
                shaped = samples.reshape(height, width, self._image.bands)
                yield top, left, to_rgb(shaped, self._cmyk)
                if self._dropped:
                    _dropping()(self._image)

    def _open(self) -> Any:
        try:
            if isinstance(self._content, Path):
                return self._vips.Image.new_from_file(str(self._content), **self._options)
            return self._vips.Image.new_from_buffer(self._content, "", **self._options)
        except self._vips.Error as error:
            raise self._damaged(error) from None

    def _fetch(self, left: int, top: int, width: int, height: int) -> Any:
        try:
            return self._region.fetch(left, top, width, height)
        except self._vips.Error as error:
            if not self._dropped or "out of order" not in str(error):
                raise self._damaged(error) from None
        # Rows were dropped that the decoder had read ahead: this release of it stops elsewhere.
        # It begins anew, and keeps what it likes.
        self._dropped = False
        self._image = self._open()
        self._region = self._vips.Region.new(self._image)
        return self._fetch(left, top, width, height)

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

    def _damaged(self, error: Exception) -> DataError:
        # The first line says what failed, the second why; the rest are repetitions.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return DataError(self._origin, f"is damaged or truncated: {'; '.join(lines[1:2] or lines)}")


@cache
def vips() -> Any:
    """The libvips binding, told to keep nothing and to start no threads of its own.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    try:
        import pyvips
    except (ImportError, OSError):
        raise MissingExtraError("pyvips", "vision") from None
    pyvips.cache_set_max(0)
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    return pyvips


@cache
def _dropping() -> Callable[[Any], None]:
    """Makes a picture's pipeline drop what it keeps: ``vips_image_minimise_all``.

    The binding does not offer this function of the library, so it is looked up in the library;
    where that fails, more memory is used and nothing else changes.
    """
    binding = vips()
    try:
        name = importlib.import_module("_libvips").__file__ if binding.API_mode else None
        function = ctypes.CDLL(name).vips_image_minimise_all
    except (ImportError, OSError, AttributeError):
        return lambda image: None
    function.argtypes = [ctypes.c_void_p]
    function.restype = None

    def drop(image: Any) -> None:
        function(int(binding.ffi.cast("uintptr_t", image.pointer)))

    return drop
