"""Parquet files, spooled once to rows.

Parquet keeps columns in compressed pages: one record at random costs the decompression of a page of
every column, or of a whole row group. Arrow's own uncompressed form would spare the
decompression, but a row of it still touches a page of memory-mapped file in every column, and those
pages count as the process's memory. So the rows are written out once, side by side, with their
positions behind them; a record is then one small read, and the second opening loads no pyarrow.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import DataError
from anysize.core.files import replacing
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.sources.cache import HEAD, cache_file, kept_facts, signature, write_facts
from anysize.sources.columns import Request
from anysize.sources.offsets import WORD, Offsets, RandomFile
from anysize.sources.profile.kept import Place
from anysize.sources.rows import SpooledRows
from anysize.sources.stores import ByteRows
from anysize.sources.table import TableSource

PROVIDES = ("parquet", "pq")

_VERSION = 1
_BATCH = 512
_MAGIC = b"PAR1"


def open_path(path: Path, request: Request) -> Source:
    """Opens a Parquet file through its spooled form in the cache.

    Columns of bytes, and of the pairs ``bytes`` and ``path`` that the datasets library writes for
    pictures, become pictures.

    Raises:
        DataError: damaged, empty, or without a column that is needed.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise DataError(str(path), "is not a Parquet file: it does not begin with PAR1")
        signed = signature(file, version=_VERSION)
    target = cache_file(path, "spool", request.cache)
    facts = kept_facts(target, signed)
    if facts is None:
        with replacing(target, durable=False) as out:
            facts = _spool(path, out)
            write_facts(out, signed, **facts)
    rows, base = facts["rows"], facts["positions"]
    data = RandomFile(target, base + WORD * (rows + 1))
    columns = _columns(data, facts)
    return TableSource(
        path,
        data=data,
        offsets=Offsets(data, base, rows),
        first=1,
        row_format=SpooledRows(columns),
        header=columns,
        encoding="utf-8",
        request=request,
        place=Place(path=path, data=path, cache=request.cache),
    )


def _columns(data: RandomFile, facts: dict[str, Any]) -> list[str]:
    """The first spooled row holds the columns' names as its keys."""
    head = SpooledRows([]).parse(data.read(HEAD, facts["header"]).decode())
    return list(head)


def _spool(path: Path, out: BinaryIO) -> dict[str, int]:
    import pyarrow
    from pyarrow import parquet

    out.write(b" " * HEAD)
    place = HEAD
    positions = _Positions(place)
    try:
        with parquet.ParquetFile(path) as file:
            columns = list(file.schema_arrow.names)
            if len(set(columns)) < len(columns):
                raise DataError(str(path), f"has columns of the same name: {', '.join(columns)}")
            head = SpooledRows.line(dict.fromkeys(columns))
            lines = _lines(file, columns, head)
            name = f"unpacking {path}, once"
            for line in counted(lines, name, file.metadata.num_rows, "rows"):
                out.write(line)
                place += len(line)
                positions.add(place)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(str(path), f"is a damaged Parquet file: {error}") from None
    for block in positions.blocks():
        out.write(block)
    return {"rows": positions.count, "positions": place, "header": len(head)}


def _lines(file: Any, columns: list[str], head: bytes) -> Iterator[bytes]:
    yield head
    for batch in file.iter_batches(batch_size=_BATCH):
        cells = [column.to_pylist() for column in batch.columns]
        for row in zip(*cells, strict=True):
            yield SpooledRows.line(dict(zip(columns, row, strict=True)))


class _Positions:
    """Ends of rows, kept outside memory until the rows are written."""

    def __init__(self, first: int) -> None:
        self._rows = ByteRows()
        self._held = array("Q", [first])
        self.count = 0

    def add(self, end: int) -> None:
        self._held.append(end)
        self.count += 1
        if len(self._held) == 1 << 16:
            self._rows.append(self._held.tobytes())
            self._held = array("Q")

    def blocks(self) -> Iterator[bytes]:
        yield from self._rows
        yield self._held.tobytes()
