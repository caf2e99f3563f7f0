"""What the directories of a TIFF say, without decoding anything.

TIFF 6.0 (Adobe, 1992) and BigTIFF. Damaged tags of other types or counts are refused here, before a
decoder sees them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MOST_PAGES = 1 << 16

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MOST_VALUES = 64
_MOST_TAGS = 4096

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT = 274, 277, 278, 322, 323
_EXTRA, _SAMPLE_FORMAT, _SUBSAMPLING = 338, 339, 530
_READ = frozenset({
    _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _ROWS,
    _TILE_WIDTH, _TILE_HEIGHT, _EXTRA, _SAMPLE_FORMAT,
    _SUBSAMPLING,
})  # fmt: skip

_REDUCED_OR_MASK = 1 | 4
_ALPHA = (1, 2)
_COMPLEX = (5, 6)
_MOST_BITS = 32
_LAB = (8, 9, 10)
_YCBCR, _JPEG = 6, (6, 7)
_MODES = {0: "L", 1: "L", 2: "RGB", 3: "P", 5: "CMYK", 6: "YCbCr", 8: "LAB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What one picture's tags say.

    Attributes:
        number: of the directory in the file, from 0.
        width, height: in pixels as stored.
        orientation: EXIF value 1 to 8.
        tile: ``(width, height)`` of the tiles, else None.
        strip: rows of a strip of one without tiles, else 0.
        pixel: bytes of a pixel as stored, rounded up.
        ycbcr: brightness and colours that a decoder of TIFF leaves as they are.
        mode: Pillow's name of the sample layout, or the nearest.
        alpha: which of the bands behind the colours is alpha, from 0; None where none is.
    """

    number: int
    width: int
    height: int
    orientation: int
    tile: tuple[int, int] | None
    strip: int
    pixel: int
    mode: str
    ycbcr: bool
    alpha: int | None


def directories(file: BinaryIO) -> tuple[Directory, ...]:
    """The pages of a file, in order.

    Smaller copies of a page (overviews, thumbnails) and masks are no pages; the first directory
    always is.

    Raises:
        ValueError: damaged, or more than ``MOST_PAGES``.
        OSError: it cannot be read.
    """
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order or len(head) < 8:
        raise ValueError("it does not begin as a TIFF does")
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    if big and len(head) < 16:
        raise ValueError("it ends within its header")
    walk = _Walk(file, order, big)
    place = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    found: list[Directory] = []
    seen: set[int] = set()
    number = 0
    while place:
        if place in seen:
            raise ValueError("its directories form a circle")
        if number >= MOST_PAGES:
            raise ValueError(f"it has more than {MOST_PAGES} directories")
        seen.add(place)
        tags, place = walk.directory(place)
        if not found or not _number(tags, _SUBFILE, 0) & _REDUCED_OR_MASK:
            found.append(_directory(number, tags))
        number += 1
    if not found:
        raise ValueError("it has no directory")
    return tuple(found)


class _Walk:
    """Reads tags of integers; others are left out, because none of them is asked for."""

    def __init__(self, file: BinaryIO, order: str, big: bool) -> None:
        self._file = file
        self._order = order
        self._count, self._entry = ("Q", "HHQ") if big else ("H", "HHI")
        self._offset = "Q" if big else "I"
        self._size = 20 if big else 12

    def directory(self, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """Tags, and where the next directory is; 0 for none."""
        (count,) = self._unpack(self._count, place)
        if not 0 < count <= _MOST_TAGS:
            raise ValueError(f"a directory has {count} tags")
        at = place + struct.calcsize(self._order + self._count)
        data = self._bytes(at, count * self._size + struct.calcsize(self._order + self._offset))
        tags: dict[int, tuple[int, ...]] = {}
        for entry in range(0, count * self._size, self._size):
            tag, kind, values = struct.unpack_from(self._order + self._entry, data, entry)
            if tag in _READ:
                tags[tag] = self._values(data, entry, kind, values)
        (following,) = struct.unpack_from(self._order + self._offset, data, count * self._size)
        return tags, following

    def _values(self, data: bytes, entry: int, kind: int, count: int) -> tuple[int, ...]:
        if kind not in _INTEGERS:
            raise ValueError(f"a tag that should be a whole number is of the type {kind}")
        if not count:
            return ()
        count = min(count, _MOST_VALUES)
        letters = f"{self._order}{count}{_INTEGERS[kind]}"
        inside = struct.calcsize(self._order + self._offset)
        start = entry + self._size - inside
        if count * _SIZES[kind] <= inside:
            return struct.unpack_from(letters, data, start)
        (place,) = struct.unpack_from(self._order + self._offset, data, start)
        return struct.unpack(letters, self._bytes(place, count * _SIZES[kind]))

    def _unpack(self, letters: str, place: int) -> tuple[int, ...]:
        return struct.unpack(
            self._order + letters, self._bytes(place, struct.calcsize(self._order + letters))
        )

    def _bytes(self, place: int, size: int) -> bytes:
        if place >= 1 << 62:
            raise ValueError("a directory is said to be beyond the end of the file")
        self._file.seek(place, os.SEEK_SET)
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError("it ends within a directory")
        return data


def _directory(number: int, tags: Mapping[int, Sequence[int]]) -> Directory:
    width, height = _number(tags, _WIDTH, 0), _number(tags, _HEIGHT, 0)
    samples = max(_number(tags, _SAMPLES, 1), 1)
    bits = max(tags.get(_BITS) or (1,))
    if _number(tags, _SAMPLE_FORMAT, 1) in _COMPLEX:
        raise ValueError("its samples are complex numbers, which are not read")
    if bits > _MOST_BITS:
        raise ValueError(f"its samples have {bits} bits, which are not read; convert it to 32 bits")
    if _number(tags, _PHOTOMETRIC, 1) in _LAB and bits <= 8:
        raise ValueError("its colours are in the space LAB, which is not read; convert it to RGB")
    tile = None
    if _TILE_WIDTH in tags or _TILE_HEIGHT in tags:
        tile = _number(tags, _TILE_WIDTH, 0), _number(tags, _TILE_HEIGHT, 0)
        if min(tile) < 1:
            raise ValueError(f"its tiles are said to be of {tile[0]}x{tile[1]} pixels")
    rows = _number(tags, _ROWS, height)
    orientation = _number(tags, _ORIENTATION, 1)
    extra = tags.get(_EXTRA, ())
    alpha = next((place for place, kind in enumerate(extra) if kind in _ALPHA), None)
    return Directory(
        number=number,
        width=width,
        height=height,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        tile=tile,
        strip=0 if tile else min(max(rows, 1), max(height, 1)),
        pixel=-(-samples * max(bits, 1) // 8),
        ycbcr=_number(tags, _PHOTOMETRIC, 1) == _YCBCR
        and _number(tags, _COMPRESSION, 1) not in _JPEG
        and tuple(tags.get(_SUBSAMPLING, (2, 2))) == (1, 1),
        mode=_mode(tags, bits, alpha is not None),
        alpha=alpha,
    )


def _mode(tags: Mapping[int, Sequence[int]], bits: int, alpha: bool) -> str:
    kind = _number(tags, _SAMPLE_FORMAT, 1)
    if kind in (2, 3):
        return {2: "I", 3: "F"}[kind]
    mode = _MODES.get(_number(tags, _PHOTOMETRIC, 1), "L") + ("A" if alpha else "")
    if mode == "L" and bits == 1:
        return "1"
    return "I;16" if mode == "L" and bits > 8 else mode


def _number(tags: Mapping[int, Sequence[int]], tag: int, default: int) -> int:
    values = tags.get(tag) or (default,)
    return values[0]
