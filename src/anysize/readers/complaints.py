"""What a JPEG decoder complains of: damage, or an oddity that every viewer reads over.

The sentences are those of libjpeg (``jerror.h``).
"""

from __future__ import annotations

import re
import struct

_END = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_DAMAGE = re.compile(
    r"Corrupt JPEG data|Premature end|premature end|Inconsistent progression|extraneous bytes"
)


def is_damage(complaint: str) -> bool:
    """Whether pixels may be wrong."""
    return _DAMAGE.search(complaint) is not None


def is_filling(data: bytes, complaint: str) -> bool:
    """Whether the complaint is of bytes that fill the room between the picture and its end.

    Cameras and editors leave some. They are one value over and over; the rest of a picture whose
    middle is damaged is not.
    """
    found = _END.fullmatch(complaint.strip())
    end = data.rfind(b"\xff\xd9")
    if found is None or end < 0:
        return False
    return is_one_value(data[max(end - int(found[1]), 0) : end])


def is_one_value(data: bytes) -> bool:
    """Whether all bytes are alike, as far as they are no part of a picture."""
    return len(data) > 0 and data.count(data[-1]) == len(data)


def without_oddities(data: bytes, complaint: str) -> bytes | None:
    """The file without what its decoder complains of in the header; None where it is another thing.

    A decoder says the first complaint only, and behind one of these there may be a serious one.
    """
    if "JFIF revision" in complaint:
        return _changed(data, b"JFIF\0", 5, b"\1\1")
    if "Adobe color transform" in complaint:
        # As the decoder takes it anyway.
        components = data[_frame_at(data) + 9 : _frame_at(data) + 10]
        return _changed(data, b"Adobe", 11, b"\2" if components == b"\4" else b"\1")
    if "SOS parameters" in complaint:
        return _sequential(data)
    return None


def _sequential(data: bytes) -> bytes:
    """All scans with the parameters that they must have in a file without progression."""
    result = bytearray(data)
    for scan in re.finditer(rb"\xff\xda", data):
        at = scan.start() + 5 + 2 * data[scan.start() + 4]
        if at + 3 <= len(data):
            result[at : at + 3] = b"\0\x3f\0"
    return bytes(result)


def _changed(data: bytes, name: bytes, offset: int, value: bytes) -> bytes | None:
    place = data.find(name)
    if place < 0:
        return None
    at = place + offset
    return data[:at] + value + data[at + len(value) :]


def _frame_at(data: bytes) -> int:
    place = 2
    try:
        while data[place + 1] not in (0xC0, 0xC1, 0xC2):
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    except (IndexError, struct.error):
        return 0
    return place
