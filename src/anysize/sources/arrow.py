"""Arrow files, as ``save_to_disk`` of the datasets library and Feather leave them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.columns import Request
from anysize.sources.tables.columnar import Batches, open_spooled, too_many

PROVIDES = ("arrow", "feather", "ipc")

_MAGIC = b"ARROW1"
_ROWS = 64


def open_path(path: Path, request: Request) -> Source:
    """Opens an Arrow file or stream through its spooled form in the cache.

    Raises:
        DataError: damaged, empty, larger unpacked than it may be, or without a column that is
            needed.
    """

    def batches(file: Path, values: int) -> Batches:
        import pyarrow
        from pyarrow import ipc

        mapped = pyarrow.memory_map(str(file))
        if _is_file(file):
            reader = ipc.open_file(mapped)
            parts = (reader.get_batch(place) for place in range(reader.num_record_batches))
        else:
            reader = ipc.open_stream(mapped)
            parts = iter(reader)
        return Batches(reader.schema, 0, _slices(path, parts, values))

    return open_spooled(path, request, "Arrow", batches)


def _is_file(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(6) == _MAGIC


def _slices(path: Path, parts: Iterator[Any], most: int) -> Iterator[Any]:
    seen = 0
    for part in parts:
        _validate(path, part)
        seen += part.num_rows * max(part.num_columns, 1)
        if seen > most:
            raise too_many(path, most)
        for start in range(0, part.num_rows, _ROWS):
            yield part.slice(start, _ROWS)


def _validate(path: Path, batch: Any) -> None:
    """Refuses a batch whose offsets lead out of its buffers; wrong UTF-8 costs its cells alone."""
    import pyarrow

    for column in batch.columns:
        views = {pyarrow.string(): pyarrow.binary(), pyarrow.large_string(): pyarrow.large_binary()}
        as_bytes = views.get(column.type)
        try:
            (column.view(as_bytes) if as_bytes is not None else column).validate(full=True)
        except (pyarrow.ArrowException, ValueError) as error:
            raise DataError(str(path), f"is a damaged Arrow file: {str(error)[:200]}") from None
