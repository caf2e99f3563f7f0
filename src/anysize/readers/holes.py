"""Holes in a JPEG that its decoder does not notice: zeros where there was a part of the picture.

A decoder goes on with whatever the zeros mean, and if that happens to be as many blocks as are
missing it has nothing to complain of. But with most tables of codes (ITU-T T.81 annex C) zeros mean
coefficients one after the other, all of them alike, which no picture has. Colours often have tables
in which zeros end a block; brightness, of which there is some in each block, seldom has.
"""

from __future__ import annotations

import struct

LONGEST = bytes(32)
"""So many zeros are a hole, where zeros do not mean the end of a block."""

HOLE = "there is a block of zeros in the middle of the picture"

_TABLES, _SCAN, _BASELINE = 0xC4, 0xDA, (0xC0, 0xC1)


def scan_of_few_zeros(head: bytes) -> int:
    """Where the scan of a JPEG begins; 0 where zeros may be a part of it, or its kind is another.

    Args:
        head: from the beginning of the file on, at least up to its first scan.
    """
    place, components, coefficients = 2, 0, False
    try:
        while True:
            kind = head[place + 1]
            (length,) = struct.unpack_from(">H", head, place + 2)
            if kind in _BASELINE:
                components = head[place + 9]
            elif kind == _TABLES:
                coefficients |= _zeros_are_coefficients(head[place + 4 : place + 2 + length])
            elif kind == _SCAN:
                all_in_one = components == head[place + 4]
                return place + 2 + length if coefficients and all_in_one else 0
            place += 2 + length
    except (IndexError, struct.error):
        return 0


def has_hole(data: bytes) -> bool:
    """Whether a part of the picture is zeros."""
    if data.find(LONGEST) < 0:
        return False
    start = scan_of_few_zeros(data)
    if not start:
        return False
    end = data.find(b"\xff\xd9", start)
    place = data.find(LONGEST, start, end if end > 0 else len(data))
    # Zeros before its end fill room.
    return place >= 0 and bool(data[place:end].strip(b"\0"))


def _zeros_are_coefficients(tables: bytes) -> bool:
    """Whether in a table of coefficients' codes the one of zeros does not end a block."""
    place = 0
    while place + 17 <= len(tables):
        values = place + 17
        if tables[place] >> 4 and tables[values] & 0x0F:
            return True
        place = values + sum(tables[place + 1 : values])
    return False
