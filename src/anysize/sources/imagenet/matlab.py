"""Arrays of structures from MATLAB files of version 5, numbers and text of them and nothing else.

Damaged files end scipy's reader of this format, and Python with it, by a fault of memory. Here
every size is checked against the bytes that are there, and what is not asked for is passed over.
The format is MathWorks' "MAT-File Format", level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

_HEADER = 128
_COMPRESSED, _MATRIX = 15, 14
_STRUCTURE, _TEXT, _NUMBERS = 2, 4, range(6, 16)
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}

Value = str | float | None
"""Of a field: text, the first number of an array, or None for anything else."""


def structures(data: bytes, name: str, *, largest: int) -> list[dict[str, Value]] | None:
    """The structures of the array called ``name``; None where the file has no such array.

    Args:
        data: the whole file.
        name: of the variable.
        largest: bytes that its compressed parts may unpack to, all together.

    Raises:
        ValueError: it is no such file, is damaged, or unpacks to more.
    """
    if len(data) < _HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it does not begin as a MATLAB file of version 5 does")
    order = "<" if data[126:128] == b"IM" else ">"
    left = largest
    for kind, content in _Elements(memoryview(data)[_HEADER:], order):
        if kind == _COMPRESSED:
            unpacked = _unpacked(content, left)
            left -= len(unpacked)
            kind, content = next(_Elements(memoryview(unpacked), order), (0, content))
        if kind == _MATRIX:
            array = _array(content, order)
            if array.name == name and array.kind == _STRUCTURE:
                return list(_rows(array, order))
    return None


class _Elements(Iterator[tuple[int, memoryview]]):
    """Type and content of the elements that follow each other in some bytes."""

    def __init__(self, data: memoryview, order: str) -> None:
        self._data = data
        self._order = order
        self._place = 0

    def __next__(self) -> tuple[int, memoryview]:
        data, place = self._data, self._place
        if place + 8 > len(data):
            if place < len(data):
                raise ValueError("it ends inside an element")
            raise StopIteration
        kind, size = struct.unpack_from(f"{self._order}II", data, place)
        begin = place + 8
        if kind >> 16:
            # At most four bytes, in the place of the size.
            kind, size, begin = kind & 0xFFFF, kind >> 16, place + 4
            end = begin + 4
        else:
            end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if size > end - begin or begin + size > len(data):
            raise ValueError("an element is cut off")
        self._place = min(end, len(data))
        return int(kind), data[begin : begin + size]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """An array whose values are not read yet.

    Attributes:
        kind: class of the array.
        shape: of it.
        name: of the variable; empty inside a structure.
        rest: the elements behind these.
    """

    kind: int
    shape: tuple[int, ...]
    name: str
    rest: _Elements


def _array(content: memoryview, order: str) -> _Array:
    parts = _Elements(content, order)
    flags, shape, name = (_next(parts) for _ in range(3))
    return _Array(
        kind=int(_numbers(*flags, order)[0]) & 0xFF,
        shape=tuple(int(size) for size in _numbers(*shape, order)),
        name=str(bytes(name[1]), "latin-1"),
        rest=parts,
    )


def _rows(array: _Array, order: str) -> Iterator[dict[str, Value]]:
    width = int(_numbers(*_next(array.rest), order)[0])
    text = bytes(_next(array.rest)[1])
    if width < 1 or min(array.shape, default=0) < 0:
        raise ValueError("names or sizes of an array are damaged")
    names = [
        str(text[place : place + width].partition(b"\0")[0], "latin-1")
        for place in range(0, len(text), width)
    ]
    if not names:
        raise ValueError("its structures have no fields")
    for _ in range(prod(array.shape)):
        yield {name: _value(*_next(array.rest), order) for name in names}


def _value(kind: int, content: memoryview, order: str) -> Value:
    if kind != _MATRIX or not content:
        return None
    array = _array(content, order)
    if array.kind == _TEXT:
        stored, data = next(array.rest, (16, memoryview(b"")))
        encoding = _ENCODINGS.get(stored)
        if encoding is None:
            raise ValueError(f"text of the unknown type {stored}")
        ending = {"<": "-le", ">": "-be"}[order] if encoding in ("utf-16", "utf-32") else ""
        return str(data, encoding + ending)
    if array.kind in _NUMBERS:
        found = next(array.rest, None)
        numbers = None if found is None else _numbers(*found, order)
        return float(numbers[0]) if numbers is not None and len(numbers) else None
    return None


def _next(parts: _Elements) -> tuple[int, memoryview]:
    found = next(parts, None)
    if found is None:
        raise ValueError("a part of an array is missing")
    return found


def _numbers(kind: int, content: memoryview, order: str) -> np.ndarray:
    if kind not in _TYPES:
        raise ValueError(f"numbers of the unknown type {kind}")
    found = np.frombuffer(content, np.dtype(order + _TYPES[kind]))
    if not len(found):
        raise ValueError("an array of numbers is empty")
    return found


def _unpacked(content: memoryview, largest: int) -> bytes:
    try:
        found = zlib.decompressobj().decompress(content, largest + 1)
    except zlib.error as error:
        raise ValueError(f"a compressed part is damaged ({error})") from None
    if len(found) > largest:
        raise ValueError("it unpacks to more bytes than are allowed")
    return found
