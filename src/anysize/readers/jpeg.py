"""JPEG files as bytes: what their markers say, and files cut to the rows that are needed.

Markers as in ITU-T T.81 annex B, the orientation as in Exif 2.32. Reading them here takes a tenth
of what a general reader takes, which for small pictures is more than decoding them.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from anysize.readers import mpo
from anysize.readers.files import open_regular

_PROGRESSIVE = 0xC2
_FRAMES = (0xC0, 0xC1, _PROGRESSIVE)
_SCAN, _APP1, _APP2, _COMMENT = 0xDA, 0xE1, 0xE2, 0xFE
_RESTARTS = 0xDD
_SCAN_MARK = b"\xff\xda"
# Tables, what applications say, comments.
_SKIPPED = frozenset({0xC4, 0xDB, _RESTARTS, *range(0xE0, 0xF0), _COMMENT})

_ORIENTATION = 274
_SHORT = 3


class Frame(NamedTuple):
    """What a JPEG's markers say.

    Attributes:
        width, height: in pixels as stored.
        components: 1 grey, 3 colours, 4 inks.
        progressive: whether it comes in scans of rising quality.
        orientation: EXIF value 1 to 8.
        place: of the frame's marker in the file.
        plain: whether all rows come one after the other, without marks between them.
        coefficients: bytes a pixel that a decoder holds of a progressive one.
        pictures: in the file, by its index (MPO).
    """

    width: int
    height: int
    components: int
    progressive: bool
    orientation: int
    place: int
    plain: bool = True
    coefficients: float = 6.0
    pictures: int = 1


def read_frame(data: bytes) -> Frame | None:
    """The markers up to the first scan; None where they hold anything unusual.

    Args:
        data: a file from its beginning on, at least up to its first scan.
    """
    place, orientation, restarts, pictures = 2, 1, False, 1
    frame: Frame | None = None
    described = False
    try:
        while True:
            if data[place] != 0xFF:
                return None
            marker = data[place + 1]
            length = (data[place + 2] << 8) | data[place + 3]
            if marker == _SCAN:
                plain = frame is not None and data[place + 4] == frame.components and not restarts
                plain = plain and frame is not None and not frame.progressive
                return frame and frame._replace(plain=plain, pictures=pictures)
            if marker in _FRAMES:
                if frame is not None:
                    return None
                frame = _frame(data, place, orientation)
                if frame is None:
                    return None
            elif marker not in _SKIPPED:
                return None
            elif marker == _APP1:
                found = _orientation(data[place + 4 : place + 2 + length])
                if found is None or described or frame is not None:
                    return None
                orientation, described = found, True
            if marker == _APP2:
                pictures = max(pictures, mpo.pictures(data[place + 4 : place + 2 + length]))
            restarts |= marker == _RESTARTS
            place += 2 + length
    except (IndexError, struct.error):
        return None


def count_scans(source: Path | bytes) -> int:
    """How many scans a file has; a thumbnail's may be among them.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(source, bytes):
        return source.count(_SCAN_MARK)
    count, last = 0, b""
    with os.fdopen(open_regular(source), "rb") as file:
        while data := file.read(1 << 20):
            count += (last + data).count(_SCAN_MARK)
            # A mark that is cut in two is one; one byte cannot be counted twice.
            last = data[-1:]
    return count


def rows_to_keep(frame: Frame, rows: int) -> int | None:
    """How many rows of pixels a file is to be cut to, a multiple of 16, for these to come out.

    None where nothing is to be spared, or the rows do not come in one go.
    """
    kept = -(-rows // 16) * 16
    return kept if frame.plain and kept + 16 <= frame.height else None


def cut_to_rows(data: bytes, frame: Frame, rows: int) -> bytes:
    """The file as one that claims to end after so many rows of pixels.

    A decoder then leaves the rest out, which spares its work; it remarks on the bytes that it has
    left. All rows but the last come out as from the whole file: that one would look one row ahead.

    Args:
        data: a baseline JPEG.
        frame: what its markers say.
        rows: see `rows_to_keep`.
    """
    at = frame.place + 5
    return data[:at] + struct.pack(">H", rows) + data[at + 2 :]


def _frame(data: bytes, place: int, orientation: int) -> Frame | None:
    precision, height, width, components = struct.unpack_from(">BHHB", data, place + 4)
    if precision != 8 or not height or not width or components not in (1, 3, 4):
        return None
    progressive = data[place + 1] == _PROGRESSIVE
    held = _coefficients(data[place + 10 : place + 10 + 3 * components]) if progressive else 0.0
    return Frame(width, height, components, progressive, orientation, place, coefficients=held)


def _coefficients(components: bytes) -> float:
    """Two bytes a sample, of which colours may have a half or a quarter."""
    factors = [(byte >> 4, byte & 15) for byte in components[1::3]]
    most = max(max(one for one, _ in factors) * max(other for _, other in factors), 1)
    return 2.0 * sum(one * other for one, other in factors) / most


def _orientation(segment: bytes) -> int | None:
    """Of an EXIF segment; None where it is another kind, or does not say."""
    if segment[:6] != b"Exif\0\0":
        return None
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(segment[6:10])
    if order is None:
        return None
    (start,) = struct.unpack_from(order + "I", segment, 10)
    (count,) = struct.unpack_from(order + "H", segment, 6 + start)
    for index in range(count):
        entry = 6 + start + 2 + 12 * index
        tag, kind, values, value = struct.unpack_from(order + "HHIH", segment, entry)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and values == 1 and 1 <= value <= 8 else None
    return None
