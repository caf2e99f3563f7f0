"""Decoding a picture of any size in strips of rows, through libvips."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError, MissingExtraError
from anysize.readers.pixels import to_rgb

STRIP_BYTES = 1 << 22
_FORMATS = {"uchar": np.uint8, "ushort": np.uint16}
_READ = ("b-w", "srgb", "rgb", "rgb16", "grey16", "cmyk", "multiband")


class StripReader:
    """One pass over a picture, top to bottom, as stored.

    Args:
        content: the file, or its bytes.
        origin: what messages call it.
        shrink: 1, or for a JPEG 2, 4 or 8: decode at that part of the size.

    Raises:
        DataError: unreadable, damaged, or with samples that are not read.
    """

    def __init__(self, content: Path | bytes, origin: str, shrink: int = 1) -> None:
        self._vips = vips()
        self._origin = origin
        # The bytes must outlive the reader, which does not copy them.
        self._content = content
        # Of a TIFF that is cut off, "truncated" gives black pixels; of a JPEG, "error" refuses
        # some that every viewer shows.
        jpeg = _head(content, origin) == b"\xff\xd8"
        options: dict[str, Any] = {
            "access": "sequential",
            "fail_on": "truncated" if jpeg else "error",
        }
        if shrink > 1:
            options["shrink"] = shrink
        try:
            if isinstance(content, Path):
                self._image = self._vips.Image.new_from_file(str(content), **options)
            else:
                self._image = self._vips.Image.new_from_buffer(content, "", **options)
        except self._vips.Error as error:
            raise self._damaged(error) from None
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
        sample = np.dtype(_FORMATS[self._image.format]).itemsize
        row = self.width * self._image.bands * sample
        self.rows = int(max(1, min(STRIP_BYTES // row, 256, self.height)))
        """Rows of a strip; the last one may have fewer."""

    def strips(self) -> Iterator[NDArray[np.uint8]]:
        """uint8 RGB ``[rows, width, 3]``, in order.

        Raises:
            DataError: the picture is damaged from here on.
        """
        image = self._image
        region = self._vips.Region.new(image)
        for top in range(0, self.height, self.rows):
            count = min(self.rows, self.height - top)
            try:
                data = region.fetch(0, top, self.width, count)
            except self._vips.Error as error:
                raise self._damaged(error) from None
            samples = np.frombuffer(data, dtype=_FORMATS[image.format])
            yield to_rgb(samples.reshape(count, self.width, image.bands), self._cmyk)

    def _damaged(self, error: Exception) -> DataError:
        # The first line says what failed, the second why; the rest are repetitions.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return DataError(self._origin, f"is damaged or truncated: {'; '.join(lines[1:2] or lines)}")


def _head(content: Path | bytes, origin: str) -> bytes:
    try:
        if isinstance(content, bytes):
            return content[:2]
        with content.open("rb") as file:
            return file.read(2)
    except OSError as error:
        raise DataError(origin, f"cannot be read: {error.strerror or error}") from None


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
