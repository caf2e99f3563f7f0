"""Parquet files, spooled once to rows; see ``tables.columnar``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.columns import Request
from anysize.sources.tables.columnar import MOST_COLUMNS, Batches, open_spooled, too_many
from anysize.sources.tables.parquet_pages import pages
from anysize.sources.tables.spool import limit_of, too_large

PROVIDES = ("parquet", "pq")

_BATCH = 512
_BATCH_BYTES = 1 << 26
_PAGE = 1 << 28
"""Bytes of an unpacked page at most; writers keep them near a mebibyte."""

_DICTIONARY = 5 << 18
"""Bytes of a dictionary from which its values are not repeated in memory for each row."""

_MAGIC = b"PAR1"


def open_path(path: Path, request: Request) -> Source:
    """Opens a Parquet file through its spooled form in the cache.

    Columns of bytes, and of the pairs ``bytes`` and ``path`` that the datasets library writes for
    pictures, become pictures; its class names take the place of their numbers.

    Raises:
        DataError: damaged, empty, larger unpacked than it may be, or without a column that is
            needed.
    """
    with (request.stored or path).open("rb") as file:
        if file.read(4) != _MAGIC:
            raise DataError(str(path), "is not a Parquet file: it does not begin with PAR1")

    def batches(file: Path, values: int) -> Batches:
        from pyarrow import parquet

        found = parquet.ParquetFile(file)
        metadata = found.metadata
        if metadata.num_columns > MOST_COLUMNS:
            raise DataError(
                str(path),
                f"has {metadata.num_columns} columns; a table may have {MOST_COLUMNS} at most",
            )
        if metadata.num_rows * max(metadata.num_columns, 1) > values:
            raise too_many(path, values)
        held = pages(file, metadata)
        if held.values > values:
            raise too_many(path, values)
        if held.largest > _PAGE:
            raise too_large(path, _PAGE)
        size = file.stat().st_size
        if _unpacked(metadata) > limit_of(size):
            raise too_large(path, limit_of(size))
        if held.dictionary > _DICTIONARY:
            found = parquet.ParquetFile(file, read_dictionary=_dictionaries(metadata))
        rows = min(_BATCH, max(_BATCH_BYTES // max(held.row, held.dictionary // 4, 1), 1))
        return Batches(found.schema_arrow, metadata.num_rows, found.iter_batches(batch_size=rows))

    return open_spooled(path, request, "Parquet", batches)


def _unpacked(metadata: Any) -> int:
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    return sum(max(group.total_byte_size, 0) for group in groups)


def _dictionaries(metadata: Any) -> list[str]:
    """Paths of the columns of text or bytes that have a dictionary."""
    found: dict[str, None] = {}
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        for column in (group.column(number) for number in range(group.num_columns)):
            if column.has_dictionary_page and column.physical_type == "BYTE_ARRAY":
                found[column.path_in_schema] = None
    return list(found)
