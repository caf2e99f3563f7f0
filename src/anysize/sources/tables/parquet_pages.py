"""What the pages of a Parquet file claim to unpack to, read from their headers alone.

Page headers are structs of Thrift's compact protocol
(https://github.com/apache/parquet-format, https://github.com/apache/thrift/blob/master/doc/specs).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import DataError

_HEADER = 1 << 12
_LONGEST = 1 << 20
_DEEPEST = 16
_MOST_PAGES = 1 << 22


@dataclass(kw_only=True)
class Pages:
    """Of all pages of a file.

    Attributes:
        values: how many they hold, dictionaries left out.
        largest: bytes of the largest one, unpacked.
        dictionary: bytes of the largest dictionary, unpacked.
        row: bytes of a row on average, where it is largest.
    """

    values: int = 0
    largest: int = 0
    dictionary: int = 0
    row: int = 0


def pages(path: Path, metadata: Any) -> Pages:
    """Reads the headers of all pages.

    Args:
        path: the file.
        metadata: its ``FileMetaData``.

    Raises:
        DataError: the headers are damaged.
    """
    found = Pages()
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group)
            width = 0
            for place in range(rows.num_columns):
                column = rows.column(place)
                width += _column(path, file, column, found)
            found.row = max(found.row, width)
    return found


def _column(path: Path, file: BinaryIO, column: Any, found: Pages) -> int:
    """Adds the pages of a column chunk; the bytes of a value where that is largest."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
        start = column.dictionary_page_offset
    end = start + column.total_compressed_size
    widest = values = 0
    for _ in range(_MOST_PAGES):
        if values >= column.num_values or start >= end:
            break
        page, size = _page(path, file, start)
        kind, unpacked, packed = (page.get(key, 0) for key in (1, 2, 3))
        if unpacked < 0 or packed < 0:
            raise DataError(str(path), "is a damaged Parquet file: a page of a negative size")
        start += size + packed
        if kind == 2:
            found.dictionary = max(found.dictionary, unpacked)
        else:
            held = page.get(5) or page.get(8) or {}
            number = max(held.get(1, 0), 0) if isinstance(held, dict) else 0
            values += number
            widest = max(widest, unpacked // max(number, 1))
        found.largest = max(found.largest, unpacked)
    found.values += values
    return widest


def _page(path: Path, file: BinaryIO, start: int) -> tuple[dict[int, Any], int]:
    """A page's header and its size in bytes."""
    size = _HEADER
    while True:
        file.seek(start)
        data = file.read(size)
        try:
            reader = _Compact(data)
            return reader.struct(0), reader.place
        except IndexError:
            # Statistics may make a header long.
            if len(data) < size or size >= _LONGEST:
                raise DataError(
                    str(path), f"is a damaged Parquet file: no page begins at byte {start}"
                ) from None
            size *= 16
        except ValueError as error:
            raise DataError(str(path), f"is a damaged Parquet file: {error}") from None


class _Compact:
    """Values of Thrift's compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Fields by number; those that are no integers or structs are passed over."""
        if depth > _DEEPEST:
            raise ValueError("a page header is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            byte = self._byte()
            kind, step = byte & 15, byte >> 4
            if kind == 0:
                return fields
            number = number + step if step else self._signed()
            fields[number] = self._value(kind, depth, in_list=False)

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if kind in (1, 2):
            return self._byte() if in_list else kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            self._skip(8)
            return None
        if kind == 8:
            self._skip(self._unsigned())
            return None
        if kind in (9, 10):
            byte = self._byte()
            count = byte >> 4
            for _ in range(self._unsigned() if count == 15 else count):
                self._value(byte & 15, depth + 1, in_list=True)
            return None
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError("a page header is not readable")

    def _byte(self) -> int:
        byte = self._data[self.place]
        self.place += 1
        return byte

    def _skip(self, size: int) -> None:
        self.place += size
        if self.place > len(self._data):
            raise IndexError(self.place)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a page header holds too long a number")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
