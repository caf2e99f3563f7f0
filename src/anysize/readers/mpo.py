"""How many pictures a JPEG file holds, by the index of its first one (MPO; CIPA DC-007, 5.2)."""

from __future__ import annotations

import struct

_NAME = b"MPF\0"
_COUNT = 0xB001
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def pictures(segment: bytes) -> int:
    """How many pictures an index names; 1 where it is none.

    Args:
        segment: an application's segment, without its marker and length.
    """
    index = segment.removeprefix(_NAME)
    order = _ORDERS.get(index[:4]) if segment.startswith(_NAME) else None
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", index, 4)
        (entries,) = struct.unpack_from(f"{order}H", index, start)
        for place in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHII", index, start + 2 + 12 * place)
            if tag == _COUNT:
                return max(int(value), 1)
    except struct.error:
        return 1
    return 1
